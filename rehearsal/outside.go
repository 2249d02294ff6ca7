package rehearsal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/rehearsal/ground"
)

// outside is what is around the pair: who calls the agent by HTTP, and whom it calls.
type outside struct {
	calls   []call
	fetches []fetching
	last    uint64 // number of a call or a fetch
	routes  []route
	silent  time.Duration // the servers outside answer nothing until then
	silence string        // Text of that fault
	quiet   time.Duration // the tester makes no request until then
	done    []Exchange    // the newest requests of the tester with their answers
}

// call is a request to the agent that has no answer yet.
type call struct {
	number  uint64
	program ground.Program // that has made it, unless agent
	agent   uint64         // number of the fetch of the agent to itself; 0: another has made it
	text    string         // for the log
	request *tandem.Request
	visit   bool // the program does not want to hear of the answer
}

// fetching is a request of the agent that has no answer yet.
type fetching struct {
	number          uint64
	incarnation, id uint64
	fetch           *tandem.Fetch
	open            bool // its body is not complete
}

// route says which program answers the requests to an address.
type route struct {
	url     string
	program ground.Program
}

// Times that HTTP takes.
const (
	httpTime   = 20 * time.Millisecond // one direction between the agent and a server outside
	callerTime = 5 * time.Millisecond  // one direction between a caller and the node
	// connectTime is after how long the node gives up connecting to a server, as package egress does.
	connectTime = 30 * time.Second
)

// request makes a request to the agent and returns its number. The answer is news for the program.
func (w *World) request(p ground.Program, agent uint64, r *tandem.Request) uint64 {
	o := &w.outside
	o.last++
	text := r.Method + " " + r.Path
	if r.Query != "" {
		text += "?" + r.Query
	}
	o.calls = append(o.calls, call{o.last, p, agent, text, r, false})
	w.line(LogHTTP, "→ agent  "+text+Brief(r.Body), nil)
	w.after(callerTime, requested{o.last, r})
	return o.last
}

// Brief is what the log shows of a body.
func Brief(body []byte) string {
	const most = 60
	text := strings.ToValidUTF8(string(body[:min(len(body), most)]), "\ufffd")
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case len(body) == 0:
		return ""
	case len(body) > most:
		text += "…"
	}
	return "  " + text
}

// requested is a request to the agent that arrives at the node.
type requested struct {
	number  uint64
	request *tandem.Request
}

func (e requested) happen(w *World) {
	h := &w.host
	if !h.up {
		w.outside.end(w, e.number, &tandem.Response{Status: http.StatusBadGateway, Body: []byte("the node is down\n")})
		return
	}
	switch h.door.Request() {
	case life.Full:
		w.outside.answered(w, e.number, nil, tandem.Errorf(tandem.Limit, "too many requests wait"))
	case life.Shut:
		w.outside.answered(w, e.number, nil, h.door.Why())
	default:
		ev := &life.Request{Number: e.number, Origin: tandem.Origin{Node: "ingress", ID: e.number}, Request: e.request}
		w.arrive(arrival{event: ev, waiter: waiter{call: e.number}})
	}
}

// answered takes the agent's answer to a request.
func (o *outside) answered(w *World, number uint64, r *tandem.Response, err error) {
	switch {
	case err == life.ErrMoved:
		return // the agent answers it from where it is
	case err != nil:
		r = &tandem.Response{Status: statusOf(err), Body: []byte(err.Error() + "\n")}
	case r.Status < 200 || r.Status > 999:
		r = &tandem.Response{
			Status: http.StatusBadGateway, Body: fmt.Appendf(nil, "the agent answered with status %d\n", r.Status),
		}
	}
	o.end(w, number, r)
}

// statusOf is the status with which ingress answers an error.
func statusOf(err error) int {
	switch tandem.KindOf(err) {
	case tandem.NotFound:
		return http.StatusNotFound
	case tandem.Limit:
		return http.StatusServiceUnavailable
	case tandem.Unavailable:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// end gives the answer to the one who has made a request.
func (o *outside) end(w *World, number uint64, r *tandem.Response) {
	i := slices.IndexFunc(o.calls, func(c call) bool { return c.number == number })
	if i < 0 {
		return
	}
	c := o.calls[i]
	o.calls = slices.Delete(o.calls, i, i+1)
	w.after(callerTime, callEnd{c, r})
}

// callEnd is an answer that arrives at the caller.
type callEnd struct {
	call     call
	response *tandem.Response
}

func (e callEnd) happen(w *World) {
	w.line(LogHTTP, fmt.Sprintf("agent →  %d to %s%s", e.response.Status, e.call.text, Brief(e.response.Body)), nil)
	if e.call.agent != 0 {
		w.outside.fetched(w, e.call.agent, e.response)
		return
	}
	if e.call.visit {
		w.outside.note(e.call.request, e.response)
		return
	}
	w.script.tell(e.call.program, ground.News{Number: int(e.call.number), Response: e.response})
}

// nodeLost ends the requests that the lost process had.
func (o *outside) nodeLost(w *World) {
	for _, c := range slices.Clone(o.calls) {
		o.end(w, c.number, &tandem.Response{Status: http.StatusBadGateway, Body: []byte("the node was lost\n")})
	}
	o.fetches = nil
}

// fetch begins a request of the agent. One that is open gets its body in pieces.
func (o *outside) fetch(w *World, incarnation, id uint64, f *tandem.Fetch, open bool) {
	o.last++
	o.fetches = append(o.fetches, fetching{o.last, incarnation, id, f, open})
	if !open {
		w.after(httpTime, fetchedAt{o.last})
	}
	if f.Timeout > 0 {
		w.after(f.Timeout, fetchTimeout{o.last})
	}
}

func (o *outside) find(of func(f *fetching) bool) int {
	return slices.IndexFunc(o.fetches, func(f fetching) bool { return of(&f) })
}

// chunk adds a piece to a request's body.
func (o *outside) chunk(w *World, id uint64, data []byte) {
	i := o.find(func(f *fetching) bool { return f.id == id && f.open })
	if i < 0 {
		return
	}
	f := &o.fetches[i]
	changed := *f.fetch
	changed.Body = append(slices.Clip(changed.Body), data...)
	f.fetch = &changed
	up := &life.Uploaded{Incarnation: f.incarnation, ID: id, N: len(data)}
	w.after(httpTime, outcome{w.host.run, w.host.life.Number(), up})
}

func (o *outside) chunksEnd(w *World, e *life.ChunksEnd) {
	i := o.find(func(f *fetching) bool { return f.id == e.ID && f.open })
	if i < 0 {
		return
	}
	f := &o.fetches[i]
	changed := *f.fetch
	changed.Stream = e.Stream
	f.fetch, f.open = &changed, false
	w.after(httpTime, fetchedAt{f.number})
	if e.Timeout > 0 {
		w.after(e.Timeout, fetchTimeout{f.number})
	}
}

func (o *outside) cancel(id uint64) {
	o.fetches = slices.DeleteFunc(o.fetches, func(f fetching) bool { return f.id == id })
}

// fetchTimeout ends a request of the agent that takes too long.
type fetchTimeout struct{ number uint64 }

func (e fetchTimeout) happen(w *World) {
	w.outside.fetched(w, e.number, &tandem.Response{Status: tandem.FetchTimeout})
}

// fetchedAt is a request of the agent that arrives at its server.
type fetchedAt struct{ number uint64 }

func (e fetchedAt) happen(w *World) {
	o := &w.outside
	i := o.find(func(f *fetching) bool { return f.number == e.number })
	if i < 0 {
		return
	}
	if o.silent > w.now {
		switch o.silence {
		case Late:
			w.after(o.silent-w.now, e)
		case Unreachable:
			w.after(connectTime-httpTime, fetchTimeout(e))
		}
		return
	}
	f := o.fetches[i].fetch
	w.line(LogHTTP, "agent →  "+f.Method+" "+f.URL+Brief(f.Body), nil)
	if rest, own := strings.CutPrefix(f.URL, URL); own && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		path, query, _ := strings.Cut(rest, "?")
		r := ground.Request{Method: f.Method, Path: path, Query: query, Headers: f.Headers, Body: f.Body}
		w.request(ground.Agent, e.number, requestOf(r))
		return
	}
	p, ok := o.routed(f.URL)
	if !ok {
		w.outside.fetched(w, e.number, &tandem.Response{Status: tandem.FetchNoConnection})
		return
	}
	w.script.tell(p.program, ground.News{Number: int(e.number), Route: p.url, Fetch: f})
}

// routed returns the route of an address: the longest that is it, or that it begins with.
func (o *outside) routed(url string) (best route, ok bool) {
	for _, r := range o.routes {
		rest, is := strings.CutPrefix(url, r.url)
		is = is && (rest == "" || strings.HasSuffix(r.url, "/") || rest[0] == '/' || rest[0] == '?')
		if is && (!ok || len(r.url) > len(best.url)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// requestOf makes a request as the agent's node brings it.
func requestOf(x ground.Request) *tandem.Request {
	r := &tandem.Request{
		Method: x.Method, Path: x.Path, Query: x.Query, Headers: map[string][]string{}, Body: x.Body, Proto: "https",
		From: "192.0.2.9",
	}
	for _, h := range x.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		r.Headers[name] = append(r.Headers[name], h.Value)
	}
	r.Headers["Host"] = []string{"agent.example"}
	r.Headers["X-Forwarded-Proto"] = []string{"https"}
	return r
}

// fetched brings the agent the response to its request, if it still waits for it.
func (o *outside) fetched(w *World, number uint64, r *tandem.Response) {
	i := o.find(func(f *fetching) bool { return f.number == number })
	if i < 0 {
		return
	}
	f := o.fetches[i]
	o.fetches = slices.Delete(o.fetches, i, i+1)
	w.line(LogHTTP, fmt.Sprintf("→ agent  %d to %s %s%s", r.Status, f.fetch.Method, f.fetch.URL, Brief(r.Body)), nil)
	if len(r.Body) > tandem.FetchBodySize {
		r = &tandem.Response{Status: tandem.FetchTooLarge}
	}
	if f.fetch.Stream && r.Status >= 100 && len(r.Body) > 0 {
		part := &life.FetchedPart{Incarnation: f.incarnation, ID: f.id, Data: r.Body}
		w.after(httpTime, outcome{w.host.run, 0, part})
		r = &tandem.Response{Status: r.Status, Headers: r.Headers}
	}
	w.after(httpTime, outcome{w.host.run, 0, &life.Fetched{Incarnation: f.incarnation, ID: f.id, Response: r}})
}
