package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

const requestClass = "httprequest"

// The payload of an httprequest is an array.
const (
	requestVerb = iota
	requestURL
	requestHeaders
	requestBody
	requestValidate // whether to verify the server's certificate; null: use the device group's setting
	requestSent     // whether it was sent or cancelled
	requestFetch    // the number of the fetch, or null
	requestTimer    // the number of the timer that delivers the response 429, or null
	requestFields
)

// fetch is an outgoing request that has not ended. The registry keeps its
// callbacks under its id: an array of done and stream.
type fetch struct {
	ID     uint32 `cbor:"1,keyasint"`
	Sync   bool   `cbor:"2,keyasint,omitempty"` // sendsync or closesync waits for it
	Upload bool   `cbor:"3,keyasint,omitempty"` // it belongs to an httpstream
	Unsent int    `cbor:"4,keyasint,omitempty"` // bytes of an upload that the host still has
}

// Limits of outgoing requests.
const (
	fetchTimeout = 600 * time.Second
	noTimeout    = -1 // NO_TIMEOUT
)

// newRequest makes an httprequest. The arguments at index first and first+1 are
// its headers and body.
func newRequest(call *squirrel.Call, verb string, url squirrel.Value, first int) (squirrel.Value, error) {
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	vm, body := call.VM(), call.Arg(first+1)
	if !body.IsNull() && !imp.IsData(vm, body) {
		return call.Errorf("the body of a request is a string or a blob; use http.jsonencode for other values")
	}
	return vm.NewNative(requestClass, requestPayload(call, verb, url, call.Arg(first), body)), nil
}

func requestPayload(call *squirrel.Call, verb string, url, headers, body squirrel.Value) squirrel.Value {
	vm := call.VM()
	p := vm.NewArray()
	for i := range requestFields {
		x := squirrel.Null
		switch i {
		case requestVerb:
			x = vm.NewString(verb)
		case requestURL:
			x = url
		case requestHeaders:
			x = headers
		case requestBody:
			x = body
		case requestSent:
			x = squirrel.Bool(false)
		}
		vm.Append(p, x)
	}
	return p
}

// requestNative is http.get, http.post, http.put or http.httpdelete.
func requestNative(verb string) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) { return newRequest(call, verb, call.Arg(1), 2) }
}

func httpRequest(call *squirrel.Call) (squirrel.Value, error) {
	verb, err := verbOf(call)
	if err != nil {
		return squirrel.Null, err
	}
	return newRequest(call, verb, call.Arg(2), 3)
}

// verbOf returns the first argument as a verb.
func verbOf(call *squirrel.Call) (string, error) {
	if err := call.Charge(call.VM().Len(call.Arg(1)) / 4); err != nil {
		return "", err
	}
	return strings.ToUpper(call.Str(1)), nil
}

// thisRequest returns the payload of the httprequest that a method is called
// on.
func thisRequest(call *squirrel.Call) (payload squirrel.Value, ok bool) {
	if !call.VM().IsNative(call.This(), requestClass) {
		return squirrel.Null, false
	}
	return call.VM().Payload(call.This()), true
}

func notARequest(call *squirrel.Call) (squirrel.Value, error) {
	return call.Errorf("this is not an httprequest")
}

// toFetch converts an httprequest to a Fetch. The error is for the program.
func (m *Machine) toFetch(call *squirrel.Call, payload squirrel.Value) (*tandem.Fetch, error) {
	vm := m.core.VM
	if vm.Index(payload, requestSent).AsBool() {
		return nil, fmt.Errorf("a request can be sent only once; make a new one")
	}
	body := vm.Bytes(vm.Index(payload, requestBody))
	if len(body) > tandem.FetchBodySize {
		m.over(tandem.OverFetchBody)
		return nil, fmt.Errorf("the body of a request has %d bytes, more than %d", len(body), tandem.FetchBodySize)
	}
	url := vm.Index(payload, requestURL)
	if !m.room(len(body) + vm.Len(url)) {
		return nil, errors.New(noRoom)
	}
	if err := call.Charge(nativeCost + (len(body)+vm.Len(url))/8); err != nil {
		return nil, err
	}
	f := &tandem.Fetch{
		Method:   vm.Text(vm.Index(payload, requestVerb)),
		URL:      vm.Text(url),
		Body:     slices.Clone(body),
		Timeout:  fetchTimeout,
		Validate: m.cfg.ValidateTLS,
	}
	if x := vm.Index(payload, requestValidate); !x.IsNull() {
		f.Validate = x.AsBool()
	}
	size := 0
	headers := vm.Index(payload, requestHeaders)
	for i, key, x, ok := vm.Next(headers, 0); ok; i, key, x, ok = vm.Next(headers, i) {
		n := 1
		if x.IsArray() {
			n = vm.Len(x)
		}
		for j := range n {
			value := x
			if x.IsArray() {
				value = vm.Index(x, j)
			}
			if size += headerOverhead + vm.Len(key) + vm.Len(value); size > maxFetchHeaders {
				m.over(tandem.OverFetchBody)
				return nil, fmt.Errorf("the headers of a request have more than %d KB", maxFetchHeaders>>10)
			}
			if err := call.Charge(headerCost + (vm.Len(key)+vm.Len(value))/4); err != nil {
				return nil, err
			}
			h := tandem.Header{Name: textOf(vm, key), Value: textOf(vm, value)}
			if !validHeader(h.Name, h.Value) {
				return nil, fmt.Errorf("'%s' cannot be a header", brief(h.Name))
			}
			f.Headers = append(f.Headers, h)
		}
	}
	if !m.room(size) {
		return nil, errors.New(noRoom)
	}
	return f, nil
}

// headerCost is the fuel of a header, beside that for its bytes.
const headerCost = 12

// spend takes a credit for an outgoing request. When there is none, wait is the
// number of seconds until there is.
func (m *Machine) spend() (wait float64, ok bool) {
	if len(m.fetches) >= tandem.FetchesInFlight {
		m.over(tandem.OverFetchesInFlight)
		return 1.0 / creditsPerSecond, false
	}
	if wait, ok = m.sending.take(m.core.Now, 1); !ok {
		m.over(tandem.OverFetchCredits)
	}
	return wait, ok
}

// limited is the response to a request beyond the limit.
func limited(vm *squirrel.VM, wait float64) squirrel.Value {
	return responseTable(vm, &tandem.Response{Status: 429, Headers: []tandem.Header{
		{Name: "x-agent-rate-limited", Value: "1"},
		{Name: "retry-after", Value: strconv.FormatFloat(wait, 'f', -1, 32)},
	}})
}

// responseTable makes the table of a response for the program.
func responseTable(vm *squirrel.VM, r *tandem.Response) squirrel.Value {
	t := vm.NewTable()
	headers := vm.NewTable()
	raw := vm.NewArray()
	var repeated map[string][]string // values by name
	for _, h := range r.Headers {
		key := lowerString(vm, h.Name)
		if old, again := vm.Get(headers, key); again {
			if repeated == nil {
				repeated = map[string][]string{}
			}
			name := vm.Text(key)
			if repeated[name] == nil {
				repeated[name] = []string{vm.Text(old)}
			}
			repeated[name] = append(repeated[name], h.Value)
		} else {
			vm.Set(headers, key, vm.NewString(h.Value))
		}
		vm.Append(raw, vm.NewString(h.Name+": "+h.Value))
	}
	for _, name := range slices.Sorted(maps.Keys(repeated)) {
		vm.SetField(headers, name, vm.NewString(strings.Join(repeated[name], ", ")))
	}
	vm.SetField(t, "statuscode", squirrel.Int(int32(r.Status)))
	vm.SetField(t, "headers", headers)
	vm.SetField(t, "rawheaders", raw)
	vm.SetField(t, "body", vm.NewStringBytes(r.Body))
	return t
}

func sendAsync(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	payload, ok := thisRequest(call)
	if !ok {
		return notARequest(call)
	}
	f, err := m.toFetch(call, payload)
	if err != nil {
		return call.Errorf("httprequest.sendasync: %v", err)
	}
	done, stream := m.core.Callback(call, 1), m.core.Callback(call, 2)
	f.Stream = !stream.IsNull()
	if f.Timeout, err = timeoutOf(call.Arg(3)); err != nil {
		return call.Errorf("httprequest.sendasync: %v", err)
	}
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	if wait, ok := m.spend(); ok {
		both := vm.NewArray()
		vm.Append(both, done)
		vm.Append(both, stream)
		id := m.start(f, fetch{ID: m.core.Keep(both)})
		vm.SetIndex(payload, requestFetch, squirrel.Int(int32(id)))
	} else if id, ok := m.core.After(0, done, limited(vm, wait)); ok {
		vm.SetIndex(payload, requestTimer, squirrel.Int(int32(id)))
	} else {
		return call.Errorf("httprequest.sendasync: too many requests and timers are pending")
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true))
	return squirrel.Null, nil
}

// timeoutOf returns the duration of a program's timeout.
func timeoutOf(x squirrel.Value) (time.Duration, error) {
	switch s := x.AsFloat(); {
	case x.IsNull():
		return fetchTimeout, nil
	case s == noTimeout:
		return 0, nil
	case s > 0 && s <= 1e6:
		return time.Duration(float64(s) * float64(time.Second)), nil
	}
	return 0, errors.New("the timeout is a number of seconds above 0, or NO_TIMEOUT")
}

// start starts an outgoing request.
func (m *Machine) start(what *tandem.Fetch, f fetch) (id uint32) {
	m.fetches[f.ID] = f
	m.effects = append(m.effects, &Fetch{ID: uint64(f.ID), Fetch: what})
	return f.ID
}

func sendSync(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	payload, ok := thisRequest(call)
	if !ok {
		return notARequest(call)
	}
	f, err := m.toFetch(call, payload)
	if err != nil {
		return call.Errorf("httprequest.sendsync: %v", err)
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true))
	wait, ok := m.spend()
	if !ok {
		return limited(vm, wait), nil
	}
	m.syncID = m.start(f, fetch{ID: m.core.NewID(), Sync: true})
	return m.core.Suspend(call, waitFetch)
}

func cancelRequest(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	payload, ok := thisRequest(call)
	if !ok {
		return notARequest(call)
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true)) // or it is cancelled and never sent
	if timer := vm.Index(payload, requestTimer); !timer.IsNull() {
		m.core.CancelTimer(uint32(timer.AsInt()))
		vm.SetIndex(payload, requestTimer, squirrel.Null)
	}
	if x := vm.Index(payload, requestFetch); !x.IsNull() {
		id := uint32(x.AsInt())
		vm.SetIndex(payload, requestFetch, squirrel.Null)
		m.cancelFetch(id)
	}
	return squirrel.Null, nil
}

func (m *Machine) cancelFetch(id uint32) {
	if _, pending := m.fetches[id]; pending {
		delete(m.fetches, id)
		m.core.Drop(id)
		m.effects = append(m.effects, &Cancel{ID: uint64(id)})
	}
}

// Values of httprequest.setvalidation.
const (
	validateNone   = 0
	validateSystem = 1
)

func setValidation(call *squirrel.Call) (squirrel.Value, error) {
	payload, ok := thisRequest(call)
	if !ok {
		return notARequest(call)
	}
	return validate(call, payload, requestClass)
}

func validate(call *squirrel.Call, payload squirrel.Value, class string) (squirrel.Value, error) {
	option := call.Int(1)
	if option != validateNone && option != validateSystem {
		return call.Errorf("%s.setvalidation: use VALIDATE_NONE or VALIDATE_USING_SYSTEM_CA_CERTS", class)
	}
	call.VM().SetIndex(payload, requestValidate, squirrel.Bool(option == validateSystem))
	return squirrel.Null, nil
}

// fetched ends an outgoing request.
func (m *Machine) fetched(ev *Fetched) imp.Outcome {
	id := uint32(ev.ID)
	f, ok := m.fetches[id]
	if !ok {
		return imp.Done // cancelled
	}
	delete(m.fetches, id)
	const perHeader = 64 // words of strings and slots
	m.core.Prepare(m.core.VM.Index(m.core.Kept(id), 0))
	m.core.Reserve(len(ev.Response.Body) + perHeader*len(ev.Response.Headers))
	response := responseTable(m.core.VM, ev.Response)
	done := m.core.VM.Index(m.core.Kept(id), 0)
	m.core.Drop(id)
	switch {
	case f.Sync:
		return m.core.Resume(response)
	case m.core.Busy(): // in httpstream.send
		if _, ok := m.core.After(0, done, response); !ok {
			m.core.Complain("an httpstream's callback was not called: too many timers and results are pending", done)
		}
		return m.core.Resume(squirrel.Null)
	}
	return m.core.Call(done, response)
}

// fetchedPart hands on a piece of a body.
func (m *Machine) fetchedPart(ev *FetchedPart) imp.Outcome {
	if _, ok := m.fetches[uint32(ev.ID)]; !ok {
		return imp.Done
	}
	m.core.Prepare(m.core.VM.Index(m.core.Kept(uint32(ev.ID)), 1))
	m.core.Reserve(len(ev.Data))
	stream := m.core.VM.Index(m.core.Kept(uint32(ev.ID)), 1)
	if stream.IsNull() {
		return imp.Done
	}
	return m.core.Call(stream, m.core.VM.NewStringBytes(ev.Data))
}
