package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
)

// respond makes a response as a server sends it; with a size of -1 its length is not said.
func respond(body io.Reader, size int64) *http.Response {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(body), ContentLength: size}
}

// TestBodySize: how large the body of a response may be, with its length said before and
// not, and how much it counts for.
func TestBodySize(t *testing.T) {
	for _, n := range []int{
		0, 1, smallResponse - 1, smallResponse, smallResponse + 1, tandem.FetchBodySize, tandem.FetchBodySize + 1,
	} {
		text := strings.Repeat("x", n)
		for _, size := range []int64{-1, int64(n)} {
			f := new(Fetcher)
			f.once.Do(f.setUp)
			out := &tandem.Response{}
			err := f.receive(t.Context(), "agent", respond(strings.NewReader(text), size), out)
			held := f.memory.Held()
			if n > tandem.FetchBodySize {
				if err == nil || held != 0 {
					t.Errorf("%d bytes, said to be %d: %v, %d are held", n, size, err, held)
				}
				continue
			}
			want := int64(n)
			if n < smallResponse {
				want = 0
			}
			if err != nil || string(out.Body) != text || held != want {
				t.Errorf("%d bytes, said to be %d: %d bytes, %v, %d are held", n, size, len(out.Body), err, held)
			}
			if release := out.Releaser(); release != nil {
				release()
				release()
			}
			if held := f.memory.Held(); held != 0 {
				t.Errorf("%d bytes, said to be %d: %d are held at the end", n, size, held)
			}
		}
	}
}

// TestLeastRoom: a node with little memory takes responses of any size that is allowed.
func TestLeastRoom(t *testing.T) {
	f := &Fetcher{Room: 1}
	f.once.Do(f.setUp)
	for range 20 {
		out := &tandem.Response{}
		body := strings.NewReader(strings.Repeat("x", tandem.FetchBodySize))
		if err := f.receive(t.Context(), "agent", respond(body, -1), out); err != nil || f.memory.Held() > leastRoom/8 {
			t.Fatalf("%v, %d bytes are held", err, f.memory.Held())
		}
		out.Releaser()()
	}
}

// TestHeaderCounts: large headers count like a body.
func TestHeaderCounts(t *testing.T) {
	f := new(Fetcher)
	f.once.Do(f.setUp)
	out := &tandem.Response{Headers: []tandem.Header{{Name: "x", Value: strings.Repeat("x", 60_000)}}}
	if err := f.receive(t.Context(), "agent", respond(strings.NewReader("x"), 1), out); err != nil {
		t.Fatal(err)
	}
	if held := f.memory.Held(); held < 60_000 || held > 70_000 {
		t.Errorf("%d bytes are held", held)
	}
}

// TestResponsesForgotten: what is never handled does not count for ever.
func TestResponsesForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(Fetcher)
		f.once.Do(f.setUp)
		body := strings.Repeat("x", tandem.FetchBodySize)
		if err := f.receive(t.Context(), "agent", respond(strings.NewReader(body), -1), &tandem.Response{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(heldAtMost + time.Second)
		synctest.Wait()
		if held := f.memory.Held(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	})
}

// TestManyResponses: ten agents make forty requests each for a megabyte, and do not handle
// the responses. They hold what there is for all, the last of it left for an agent that has
// none, which is served at once. The others wait, and time out or are served in the end.
func TestManyResponses(t *testing.T) {
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", tandem.FetchBodySize)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		io.WriteString(w, body)
	})}
	go s.Serve(l)
	defer s.Close()
	f := &Fetcher{Allow: loopback, most: 500}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	came := make(chan *tandem.Response, 500)
	ask := func(ctx context.Context, agent string, done chan *tandem.Response) {
		q := &tandem.Fetch{Method: "GET", URL: "http://" + l.Addr().String(), Agent: tandem.AgentID(agent)}
		f.Fetch(ctx, q, nil, func(r *tandem.Response) { done <- r })
	}
	const agents, each = 10, 40
	for i := range agents * each {
		ask(ctx, fmt.Sprint("agent", i%agents), came)
	}
	// All have been asked, and no more has come than there is room for.
	const fit = responsesOfAll * 3 / 4 / (tandem.FetchBodySize + 1)
	var first []*tandem.Response
	for range fit {
		first = append(first, <-came)
	}
	for f.WaitedForMemory() < agents*each-fit {
		quiet := make(chan *tandem.Response, 1)
		ask(ctx, "quiet", quiet)
		r := <-quiet
		if r.Status != 200 || len(r.Body) != len(body) {
			t.Fatalf("the quiet agent: %d %.100s", r.Status, r.Body)
		}
		r.Releaser()()
	}
	if held := f.memory.Held(); held > responsesOfAll || len(came) > agents {
		t.Errorf("%d bytes are held, %d responses more", held, len(came))
	}
	for _, r := range first {
		r.Releaser()()
	}
	rest := 0
	for ; rest < agents*each-fit; rest++ {
		r := <-came
		if r.Status != 200 {
			t.Fatalf("%d %.100s", r.Status, r.Body)
		}
		r.Releaser()()
	}
	if held := f.memory.Held(); held != 0 || asked.Load() < agents*each {
		t.Errorf("%d bytes are held at the end", held)
	}
}

// TestWaitingResponse: the time of a response that waits for room runs.
func TestWaitingResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(Fetcher)
		f.once.Do(f.setUp)
		if _, err := f.memory.Take(t.Context(), "agent", responsesOfAgent); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		body := strings.NewReader(strings.Repeat("x", tandem.FetchBodySize))
		err := f.receive(ctx, "agent", respond(body, -1), &tandem.Response{})
		if err == nil || time.Since(began) != time.Minute || f.WaitedForMemory() != 1 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if read := tandem.FetchBodySize - body.Len(); read > smallResponse {
			t.Errorf("%d bytes were read", read)
		}
	})
}
