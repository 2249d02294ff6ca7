package stand

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/server"
)

// route says which program answers the agent's requests to an address.
type route struct {
	url     string
	program ground.Program
}

// Saw notes messages and requests for the log.
func (s *Stand) Saw(x *server.Sight) {
	at := s.Now()
	switch {
	case x.Handled:
	case x.Message != nil:
		way := "agent → device  "
		if x.ToAgent {
			way = "device → agent  "
		}
		data := x.Message.Data
		if text, err := codec.TranscodeJSON(data); err == nil && x.Message.Format == tandem.FormatCompact {
			data = text
		}
		text := way + tandem.UnescapeName(x.Message.Name) + rehearsal.Brief(data)
		s.add(&s.passed, rehearsal.Line{At: at, Type: rehearsal.LogMessage, Text: text}.Numbered(int(x.Clock)))
	case x.Request != nil && x.Err == nil:
		text := fmt.Sprintf("agent →  %d to %s %s%s", x.Response.Status, x.Request.Method, x.Request.Path,
			rehearsal.Brief(x.Response.Body))
		s.add(&s.log, rehearsal.Line{At: at, Type: rehearsal.LogHTTP, Text: text}.Numbered(int(x.Clock)))
	case x.Fetch != nil:
		text := fmt.Sprintf("agent →  %s %s%s: %d", x.Fetch.Method, x.Fetch.URL, rehearsal.Brief(x.Fetch.Body),
			x.Response.Status)
		s.add(&s.log, rehearsal.Line{At: at, Type: rehearsal.LogHTTP, Text: text}.Numbered(int(x.Clock)))
	}
}

// Answer has a program answer a request of the agent, if one serves its address.
func (s *Stand) Answer(ctx context.Context, f *tandem.Fetch) *tandem.Response {
	s.mu.Lock()
	silent := time.Until(s.silent)
	r, ok := s.routed(f.URL)
	s.mu.Unlock()
	if silent > 0 {
		return s.silence(ctx, f, silent)
	}
	if !ok {
		return nil
	}
	if f.Chunks != nil {
		body, err := io.ReadAll(f.Chunks)
		if err != nil {
			return &tandem.Response{Status: tandem.FetchSendFailed, Body: []byte(err.Error())}
		}
		whole := *f
		whole.Body, whole.Chunks = body, nil
		f = &whole
	}
	answer := make(chan *tandem.Response, 1)
	s.mu.Lock()
	s.last++
	n := s.last
	s.answers[n] = answer
	s.mu.Unlock()
	s.sides[r.program].tell(ground.News{Number: n, Route: r.url, Fetch: f})
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
		return &tandem.Response{Status: tandem.FetchTimeout}
	case <-s.ctx.Done():
		return &tandem.Response{Status: tandem.FetchNoConnection}
	}
}

// silence waits for an answer that does not come: until the request has waited long enough, or servers
// answer again and the request is made again, as TCP sends again.
func (s *Stand) silence(ctx context.Context, f *tandem.Fetch, d time.Duration) *tandem.Response {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.Answer(ctx, f)
	case <-ctx.Done():
		return &tandem.Response{Status: tandem.FetchTimeout}
	case <-s.ctx.Done():
		return &tandem.Response{Status: tandem.FetchNoConnection}
	}
}

// routed returns the route of an address: the longest that is it, or that it begins with. The lock is
// held.
func (s *Stand) routed(url string) (best route, ok bool) {
	for _, r := range s.routes {
		rest, is := strings.CutPrefix(url, r.url)
		is = is && (rest == "" || strings.HasSuffix(r.url, "/") || rest[0] == '/' || rest[0] == '?')
		if is && (!ok || len(r.url) > len(best.url)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// serve has a program answer an address from now on, or not any more.
func (s *Stand) serve(p ground.Program, url string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes = slices.DeleteFunc(s.routes, func(r route) bool { return r.url == url })
	if on {
		s.routes = append(s.routes, route{url, p})
	}
}

// reply gives the agent the answer to a request.
func (s *Stand) reply(n int, r *tandem.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.answers[n]; answer != nil {
		delete(s.answers, n)
		answer <- r
	}
}

// request makes a request to the agent and returns its number. The answer is news for the program.
func (s *Stand) request(p ground.Program, r ground.Request) (int, error) {
	url := s.url + r.Path
	if r.Query != "" {
		url += "?" + r.Query
	}
	req, err := http.NewRequestWithContext(s.ctx, r.Method, url, bytes.NewReader(r.Body))
	if err != nil {
		return 0, err
	}
	for _, h := range r.Headers {
		req.Header.Add(h.Name, h.Value)
	}
	s.mu.Lock()
	s.last++
	n := s.last
	s.mu.Unlock()
	s.work.Go(func() { s.sides[p].tell(ground.News{Number: n, Response: answerOf(req)}) })
	return n, nil
}

// answerOf makes a request.
func answerOf(req *http.Request) *tandem.Response {
	failed := func(err error) *tandem.Response {
		return &tandem.Response{Status: http.StatusBadGateway, Body: []byte(err.Error() + "\n")}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return failed(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return failed(err)
	}
	out := &tandem.Response{Status: resp.StatusCode, Body: body}
	for name, values := range resp.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, tandem.Header{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(out.Headers, func(a, b tandem.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}
