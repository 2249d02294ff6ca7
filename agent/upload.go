package agent

import (
	"slices"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

const streamClass = "httpstream"

// The payload of an httpstream is that of an httprequest followed by its callback.
// Its request counts as sent when it is closed; its fetch exists once it has begun.
const streamCallback = requestFields

// maxUnsent is the number of unsent bytes of an upload from which httpstream.send
// waits.
const maxUnsent = 256 << 10

var paramStreamed = imp.Param{
	Name: "callback", Type: "function",
	Doc: "called with a table when the response has arrived or the request has failed: statuscode, headers, " +
		"rawheaders, body",
}

// streamFunctions make outgoing requests whose bodies are sent in pieces.
var streamFunctions = []imp.Function{
	{
		Name: "http.requeststream", On: imp.OnAgent, Result: streamClass,
		Params: []imp.Param{
			{Name: "verb", Type: "string"}, paramURL,
			{Name: "headers", Type: "t|o", Doc: paramHeaders.Doc}, paramStreamed,
		},
		Doc:    "Makes a request with any verb, whose body is then to be sent.",
		Source: docs + "http/requeststream", Fn: requestStream,
		Example: `local upload = http.requeststream("PATCH", "https://example.com/", {}, @(r) server.log(r.statuscode));
upload.send("first ");
upload.send("second");
upload.closeasync();`,
	}, {
		Name: "http.poststream", On: imp.OnAgent, Result: streamClass,
		Params: []imp.Param{paramURL, {Name: "headers", Type: "t|o", Doc: paramHeaders.Doc}, paramStreamed},
		Doc:    "Makes a POST request, whose body is then to be sent.", Source: docs + "http/poststream",
		Fn: streamNative("POST"),
		Example: `local headers = { "content-type": "image/jpeg" };
upload <- http.poststream("https://example.com/photos", headers, function(response) {
    server.log(response.statuscode);
});
device.on("piece", @(piece) upload.send(piece));
device.on("end", @(_) upload.closeasync());`,
	}, {
		Name: "http.putstream", On: imp.OnAgent, Result: streamClass,
		Params: []imp.Param{paramURL, {Name: "headers", Type: "t|o", Doc: paramHeaders.Doc}, paramStreamed},
		Doc:    "Makes a PUT request, whose body is then to be sent.", Source: docs + "http/putstream",
		Fn: streamNative("PUT"),
		Example: `local upload = http.putstream("https://example.com/file", {}, @(r) server.log(r.statuscode));
for (local i = 0; i < 10; i++) upload.send("line " + i + "\n");
upload.closeasync();`,
	}, {
		Name: "httpstream.send", On: imp.OnAgent,
		Params: []imp.Param{{Name: "data", Type: "data"}},
		Throws: []string{"the stream is closed or has ended"},
		Doc: "Sends a piece of the body. The first piece begins the request and uses one credit of " +
			"httprequest.sendasync. The program waits while more than 256 KB are not sent yet.",
		Source: docs + "httpstream/send", Fn: streamSend,
		Example: `local upload = http.poststream("https://example.com/", {}, @(r) server.log(r.statuscode));
upload.send("all there is");
upload.closeasync();`,
	}, {
		Name: "httpstream.closeasync", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "stream", Type: "function", Optional: true, Doc: "called with pieces of the response's body as they arrive"},
			{Name: "timeout", Type: "number", Optional: true, Doc: "seconds from now, 600 when left out, or NO_TIMEOUT"},
		},
		Throws: []string{"the stream is closed or has ended"},
		Doc:    "Ends the body. The callback is called with the response.",
		Source: docs + "httpstream/closeasync", Fn: streamCloseAsync,
		Example: `local upload = http.poststream("https://example.com/", {}, @(r) server.log(r.statuscode));
upload.send("question");
upload.closeasync(@(piece) server.log("a piece of the answer: " + piece), 30);`,
	}, {
		Name: "httpstream.closesync", On: imp.OnAgent, Result: "table",
		Throws: []string{"the stream is closed or has ended"},
		Doc: "Ends the body, waits for the response, 600 s at most, and returns it; the callback is not called. " +
			"Nothing else of the program runs meanwhile.",
		Source: docs + "httpstream/closesync", Fn: streamCloseSync,
		Example: `local upload = http.poststream("https://example.com/", {}, @(r) server.error(r.statuscode));
upload.send("question");
server.log(upload.closesync().body);`,
	}, {
		Name: "httpstream.cancel", On: imp.OnAgent,
		Throws: []string{"the stream has ended"},
		Doc:    "Drops the request: its functions are not called any more.",
		Source: docs + "httpstream/cancel", Fn: streamCancel,
		Example: `local upload = http.poststream("https://example.com/", {}, @(r) server.log(r.statuscode));
upload.send("half of it");
imp.wakeup(60, @() upload.cancel());`,
	}, {
		Name: "httpstream.setvalidation", On: imp.OnAgent,
		Params: []imp.Param{{Name: "option", Type: "integer", Doc: "one of the VALIDATE constants"}},
		Throws: []string{"the request has begun"},
		Doc:    "Sets whether the server's certificate is verified. Without this it is not.",
		Source: docs + "httpstream/setvalidation", Fn: streamValidation,
		Example: `local upload = http.poststream("https://example.com/", {}, @(r) server.log(r.statuscode));
upload.setvalidation(VALIDATE_USING_SYSTEM_CA_CERTS);
upload.closeasync();`,
	},
}

func newStream(call *squirrel.Call, verb string, first int) (squirrel.Value, error) {
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	vm := call.VM()
	p := requestPayload(call, verb, call.Arg(first), call.Arg(first+1), squirrel.Null)
	vm.Append(p, imp.CoreOf(call).Callback(call, first+2))
	return vm.NewNative(streamClass, p), nil
}

func streamNative(verb string) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) { return newStream(call, verb, 1) }
}

func requestStream(call *squirrel.Call) (squirrel.Value, error) {
	verb, err := verbOf(call)
	if err != nil {
		return squirrel.Null, err
	}
	return newStream(call, verb, 2)
}

// thisStream returns the payload of the httpstream that a method is called on. The
// error says that the stream has ended. A stream without a credit has not ended
// until its callback was called with the response 429.
func thisStream(call *squirrel.Call, method string) (payload squirrel.Value, err error) {
	m, vm := machineOf(call), call.VM()
	if !vm.IsNative(call.This(), streamClass) {
		_, err = call.Errorf("this is not an httpstream")
		return squirrel.Null, err
	}
	payload = vm.Payload(call.This())
	alive := !vm.Index(payload, requestSent).AsBool()
	if x := vm.Index(payload, requestFetch); !x.IsNull() {
		_, alive = m.fetches[uint32(x.AsInt())]
	}
	if x := vm.Index(payload, requestTimer); !x.IsNull() {
		alive = !m.core.Kept(uint32(x.AsInt())).IsNull()
	}
	if !alive {
		_, err = call.Errorf("httpstream.%s: the stream has ended; make a new one", method)
	}
	return payload, err
}

// openStream is thisStream for methods that need an open stream. It begins the
// request if it has not begun. When there is no credit for that, id is 0 and wait
// is the number of seconds until there is.
func openStream(call *squirrel.Call, method string) (payload squirrel.Value, id uint32, wait float64, err error) {
	m, vm := machineOf(call), call.VM()
	if payload, err = thisStream(call, method); err != nil {
		return payload, 0, 0, err
	}
	switch x := vm.Index(payload, requestFetch); {
	case vm.Index(payload, requestSent).AsBool():
		_, err = call.Errorf("httpstream.%s: the stream is closed", method)
		return payload, 0, 0, err
	case !x.IsNull():
		return payload, uint32(x.AsInt()), 0, nil
	case !vm.Index(payload, requestTimer).IsNull():
		return payload, 0, 1.0 / creditsPerSecond, nil
	}
	f, err := m.toFetch(call, payload)
	if err != nil {
		_, err = call.Errorf("httpstream.%s: %v", method, err)
		return payload, 0, 0, err
	}
	f.Timeout = 0
	callback := vm.Index(payload, streamCallback)
	if wait, ok := m.spend(); !ok {
		timer, ok := m.core.After(0, callback, limited(vm, wait))
		if !ok {
			_, err = call.Errorf("httpstream.%s: too many requests and timers are pending", method)
			return payload, 0, 0, err
		}
		vm.SetIndex(payload, requestTimer, squirrel.Int(int32(timer)))
		return payload, 0, wait, nil
	}
	both := vm.NewArray()
	vm.Append(both, callback)
	vm.Append(both, squirrel.Null)
	id = m.core.Keep(both)
	vm.SetIndex(payload, requestFetch, squirrel.Int(int32(id)))
	m.fetches[id] = fetch{ID: id, Upload: true}
	m.effects = append(m.effects, &Upload{ID: uint64(id), Fetch: f})
	return payload, id, 0, nil
}

func streamSend(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	if !imp.IsData(call.VM(), call.Arg(1)) {
		return call.Errorf("httpstream.send: give a string or a blob; use http.jsonencode for other values")
	}
	n := len(call.Bytes(1))
	if err := call.Charge(nativeCost + n/8); err != nil {
		return squirrel.Null, err
	}
	if !m.room(n) {
		return call.Errorf("httpstream.send: %s", noRoom)
	}
	data := slices.Clone(call.Bytes(1))
	_, id, _, err := openStream(call, "send")
	if err != nil || id == 0 || len(data) == 0 {
		return squirrel.Null, err
	}
	m.effects = append(m.effects, &Chunk{ID: uint64(id), Data: data})
	f := m.fetches[id]
	f.Unsent += len(data)
	m.fetches[id] = f
	if f.Unsent > maxUnsent {
		m.syncID = id
		return m.core.Suspend(call, waitUpload)
	}
	return squirrel.Null, nil
}

// uploaded notes how much of an upload was sent, and ends a wait of httpstream.send.
func (m *Machine) uploaded(ev *Uploaded) imp.Outcome {
	id := uint32(ev.ID)
	f, ok := m.fetches[id]
	if !ok {
		return imp.Done
	}
	f.Unsent = max(0, f.Unsent-ev.N)
	m.fetches[id] = f
	switch {
	case !m.core.Busy():
		return imp.Done
	case f.Unsent > maxUnsent:
		return imp.Waiting
	}
	return m.core.Resume(squirrel.Null)
}

func streamCloseAsync(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	timeout, err := timeoutOf(call.Arg(2))
	if err != nil {
		return call.Errorf("httpstream.closeasync: %v", err)
	}
	payload, id, _, err := openStream(call, "closeasync")
	if err != nil {
		return squirrel.Null, err
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true))
	if id != 0 {
		stream := m.core.Callback(call, 1)
		vm.SetIndex(m.core.Kept(id), 1, stream)
		m.effects = append(m.effects, &ChunksEnd{ID: uint64(id), Timeout: timeout, Stream: !stream.IsNull()})
	}
	return squirrel.Null, nil
}

func streamCloseSync(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	payload, id, wait, err := openStream(call, "closesync")
	if err != nil {
		return squirrel.Null, err
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true))
	if id == 0 {
		m.core.CancelTimer(uint32(vm.Index(payload, requestTimer).AsInt()))
		return limited(vm, wait), nil
	}
	m.effects = append(m.effects, &ChunksEnd{ID: uint64(id), Timeout: fetchTimeout})
	f := m.fetches[id]
	f.Sync = true
	m.fetches[id] = f
	m.syncID = id
	return m.core.Suspend(call, waitFetch)
}

func streamCancel(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	payload, err := thisStream(call, "cancel")
	if err != nil {
		return squirrel.Null, err
	}
	vm.SetIndex(payload, requestSent, squirrel.Bool(true))
	if x := vm.Index(payload, requestTimer); !x.IsNull() {
		m.core.CancelTimer(uint32(x.AsInt()))
	}
	if x := vm.Index(payload, requestFetch); !x.IsNull() {
		m.cancelFetch(uint32(x.AsInt()))
	}
	return squirrel.Null, nil
}

func streamValidation(call *squirrel.Call) (squirrel.Value, error) {
	vm := call.VM()
	payload, err := thisStream(call, "setvalidation")
	if err != nil {
		return squirrel.Null, err
	}
	if !vm.Index(payload, requestFetch).IsNull() || !vm.Index(payload, requestTimer).IsNull() {
		return call.Errorf("httpstream.setvalidation: the request has begun")
	}
	return validate(call, payload, streamClass)
}
