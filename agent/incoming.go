package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

const (
	handlerRequest = "http.onrequest"
	responseClass  = "httpresponse"
)

// openRequest is a request that the program has not answered. The program's
// httpresponse holds its number.
type openRequest struct {
	ID      uint64          `cbor:"1,keyasint"` // the host's number
	At      int64           `cbor:"3,keyasint"` // when it arrived, in seconds since 1970
	Headers []tandem.Header `cbor:"4,keyasint,omitempty"`
	Size    int             `cbor:"5,keyasint,omitempty"` // bytes of Headers
}

const (
	maxHeaders      = 64 << 10  // bytes of a response's headers
	maxHeaderLines  = 1000      // of a response
	maxOpenHeaders  = 1 << 20   // bytes of the headers of all responses that have not been sent
	maxFetchHeaders = 256 << 10 // bytes of a request's headers
	headerOverhead  = 32        // bytes added to the size of each header
)

// sweepAt is the number of open requests from which the machine looks for old ones.
const sweepAt = 256

// answer holds an Answer and its response in one allocation.
type answer struct {
	Answer
	response tandem.Response
}

func (m *Machine) answer(id uint64, status int, headers []tandem.Header, body []byte) {
	a := &answer{Answer{ID: id}, tandem.Response{Status: status, Headers: headers, Body: body}}
	a.Response = &a.response
	m.effects = append(m.effects, &a.Answer)
}

// request handles an HTTP request to the agent.
func (m *Machine) request(ev *Request) imp.Outcome {
	r := ev.Request
	fn := m.core.Handler(handlerRequest)
	m.core.Prepare(fn)
	if fn.IsNull() {
		m.answer(ev.ID, 404, nil, []byte("the agent does not take requests\n"))
		return imp.Done
	}
	const overhead = 4096 // the table and its headers
	m.core.Reserve(len(r.Body) + len(r.Path) + 4*len(r.Query) + overhead)
	if len(m.requests) >= sweepAt && len(m.requests)%sweepAt == 0 {
		m.sweep()
	}
	m.lastRequest++
	number := m.lastRequest
	m.requests[number] = openRequest{ID: ev.ID, At: m.core.Now.Unix()}

	vm := m.core.VM
	t := vm.NewTable()
	vm.SetField(t, "method", vm.NewString(r.Method))
	vm.SetField(t, "path", vm.NewString(cmp.Or(r.Path, "/"))) // routers need a path: the URL without one is the root
	query, err := urlDecode(vm, r.Query)
	if err != nil {
		return imp.Done // the Core ends the program
	}
	vm.SetField(t, "query", query)
	vm.SetField(t, "headers", m.requestHeaders(r))
	vm.SetField(t, "body", vm.NewStringBytes(r.Body))
	response := vm.NewNative(responseClass, squirrel.Int(int32(number)))
	return m.core.CallHandler(handlerRequest, t, response)
}

// requestHeaders makes the table of headers. Names are in lower case and sorted,
// so that the order is always the same.
func (m *Machine) requestHeaders(r *tandem.Request) squirrel.Value {
	vm := m.core.VM
	t := vm.NewTable()
	var names [32]string
	sorted := names[:0]
	for name := range r.Headers {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		values := r.Headers[name]
		value := ""
		if len(values) == 1 {
			value = values[0]
		} else {
			value = strings.Join(values, ", ")
		}
		vm.Set(t, lowerString(vm, name), vm.NewString(value))
	}
	if r.Proto != "" {
		vm.SetField(t, "x-forwarded-proto", vm.NewString(r.Proto))
	}
	if r.From != "" {
		vm.SetField(t, "x-forwarded-for", vm.NewString(r.From))
	}
	return t
}

// openHeaders returns the bytes of headers of all responses that have not been sent.
func (m *Machine) openHeaders() (n int) {
	for _, r := range m.requests {
		n += r.Size + headerOverhead*len(r.Headers)
	}
	return n
}

// lowerString returns name in lower case.
func lowerString(vm *squirrel.VM, name string) squirrel.Value {
	var buf [64]byte
	b := append(buf[:0], name...)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return vm.NewStringBytes(b)
}

// sweep removes requests that the host has given up.
func (m *Machine) sweep() {
	old := m.core.Now.Unix() - int64(tandem.AnswerWait/time.Second)
	for number, r := range m.requests {
		if r.At < old {
			delete(m.requests, number)
		}
	}
}

// openResponse returns the request that the httpresponse answers. When the
// request is answered or given up already, ok is false and an error is logged.
func openResponse(call *squirrel.Call, method string) (m *Machine, number uint32, ok bool) {
	m = machineOf(call)
	number = uint32(call.VM().Payload(call.This()).AsInt())
	if _, ok = m.requests[number]; !ok {
		m.core.Complain(fmt.Sprintf("httpresponse.%s(%s) was ignored: the request is answered already",
			method, brief(textOf(call.VM(), call.Arg(1)))), squirrel.Null)
	}
	return m, number, ok
}

func notAResponse(call *squirrel.Call) (squirrel.Value, error) {
	return call.Errorf("this is not an httpresponse")
}

func responseHeader(call *squirrel.Call) (squirrel.Value, error) {
	if !call.VM().IsNative(call.This(), responseClass) {
		return notAResponse(call)
	}
	if call.VM().Len(call.Arg(1)) > maxHeaders || call.VM().Len(call.Arg(2)) > maxHeaders {
		machineOf(call).over(tandem.OverResponseHeaders)
		return call.Errorf("httpresponse.header: the headers have more than %d KB", maxHeaders>>10)
	}
	name, value := call.Str(1), textOf(call.VM(), call.Arg(2))
	if err := call.Charge(nativeCost + len(machineOf(call).requests) + (len(name)+len(value))/4); err != nil {
		return squirrel.Null, err
	}
	if !validHeader(name, value) {
		return call.Errorf("httpresponse.header: '%s' cannot be a header", brief(name))
	}
	if m, number, ok := openResponse(call, "header"); ok {
		r := m.requests[number]
		r.Size += len(name) + len(value)
		if r.Size > maxHeaders || len(r.Headers) == maxHeaderLines || m.openHeaders() > maxOpenHeaders {
			m.over(tandem.OverResponseHeaders)
			return call.Errorf("httpresponse.header: the headers have more than %d KB", maxHeaders>>10)
		}
		r.Headers = append(r.Headers, tandem.Header{Name: name, Value: value})
		m.requests[number] = r
	}
	return squirrel.Null, nil
}

func responseSend(call *squirrel.Call) (squirrel.Value, error) {
	const lowest, highest = 200, 599
	if !call.VM().IsNative(call.This(), responseClass) {
		return notAResponse(call)
	}
	status := call.Int(1)
	if status < lowest || status > highest {
		return call.Errorf("httpresponse.send: the status is %d to %d, not %d", lowest, highest, status)
	}
	var body []byte
	switch x := call.Arg(2); {
	case x.IsNull():
	case x.IsNumber():
		body = []byte(call.VM().ToString(x))
	case imp.IsData(call.VM(), x):
		body = call.Bytes(2)
	default:
		return call.Errorf("httpresponse.send: the body is a string or a blob; use http.jsonencode for other values")
	}
	if len(body) > tandem.ResponseBodySize {
		machineOf(call).over(tandem.OverResponseBody)
		return call.Errorf("httpresponse.send: the body has %d bytes, more than %d", len(body), tandem.ResponseBodySize)
	}
	if err := call.Charge(nativeCost + len(body)/8); err != nil {
		return squirrel.Null, err
	}
	m, number, ok := openResponse(call, "send")
	if !ok {
		return squirrel.Null, nil
	}
	if !m.room(len(body)) {
		return call.Errorf("httpresponse.send: %s", noRoom)
	}
	r := m.requests[number]
	delete(m.requests, number)
	m.answer(r.ID, int(status), r.Headers, slices.Clone(body))
	return squirrel.Null, nil
}

// validHeader reports whether a header can be sent: its name must be a token, and
// its value one line.
func validHeader(name, value string) bool {
	const token = "!#$%&'*+-.^_`|~"
	if name == "" || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(token, c) >= 0) {
			return false
		}
	}
	return true
}

// textOf returns the text of a value as a program would print it.
func textOf(vm *squirrel.VM, x squirrel.Value) string {
	if x.IsString() {
		return string(vm.Bytes(x))
	}
	return vm.ToString(x)
}
