package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/device/enrol"
)

// refused matches the node's line about connections, requests or logins that it closed,
// refused or slowed.
const refused = `(?i)too many|refused|closed|slowed|failed log|shed|deadline|memory|descriptors`

// clients are attacks by HTTP. Strangers know addresses and nothing else.
var clients = []attack{
	{name: "2,000 clients that send a header byte by byte", on: "HTTP and API", noted: refused, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.HTTP, 2000, "GET /v5/products HTTP/1.1\r\nHost: x\r\nX-Long: ")
	}},
	{name: "strangers log in with 8 MB", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.uploads(ctx, t, t.HTTP, "/v5/auth/token", 150, 8<<20)
	}},
	{name: "login keys are guessed", on: "HTTP and API", noted: `(?i)log.?in`, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.requests(ctx, t, t.HTTP, 8, func(n int64) string {
			body := fmt.Sprintf(`{"key":"%016x"}`, n)
			return fmt.Sprintf("POST /v5/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
	}},
	{name: "claim codes are guessed", on: "HTTP and API", noted: `(?i)log.?in`, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.requests(ctx, t, t.HTTP, 8, func(n int64) string {
			body := fmt.Sprintf(`{"code":%q,"key_hash":"%064x"}`, enrol.NewCode(), n)
			return fmt.Sprintf("POST /v5/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
	}},
	{name: "requests that are none", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		forms := []string{
			"\x16\x03\x01\x02\x00\x01\x00", "GET / HTTP/9.9\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
			"GET " + strings.Repeat("/..", 2000) + " HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("\r\n", 5000),
			"POST /v5/auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
			"GET /docs/%00%ff/../../etc/passwd HTTP/1.1\r\nHost: x\r\nRange: bytes=0-,0-,0-,0-\r\n\r\n",
			"OPTIONS * HTTP/1.1\r\nHost: " + strings.Repeat("x", 9000) + "\r\n\r\n",
		}
		return s.requests(ctx, t, t.HTTP, 8, func(n int64) string { return forms[n%int64(len(forms))] })
	}},
	{name: "code nested a million deep is deployed", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.operator(ctx, t, func(n int64) (method, path, body string) {
			code := [...]string{
				strings.Repeat("(", 1<<20), strings.Repeat("[", 1<<20), strings.Repeat("{", 1<<20),
				strings.Repeat("-", 1<<20) + "1", strings.Repeat("if(1)", 1<<18), strings.Repeat("function(){return ", 1<<16),
				"x" + strings.Repeat(".x", 1<<19), "1" + strings.Repeat("+1", 1<<19), strings.Repeat("a=", 1<<19) + "1",
				strings.Repeat("@()", 1<<18) + "1", "a" + strings.Repeat("?a:a", 1<<18), strings.Repeat("class extends ", 1<<16),
			}[n%12]
			return "POST", "/deployments", `{"data":{"type":"deployment","attributes":{"device_code":"","agent_code":"` + code +
				`"},"relationships":{"devicegroup":{"type":"devicegroup","id":"` + t.Culprit.Group + `"}}}}`
		})
	}},
	{name: "bodies of JSON nested a million deep", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.operator(ctx, t, func(n int64) (method, path, body string) {
			return "POST", "/products", strings.Repeat(`{"data":[`, 1<<18)
		})
	}},
	{name: "200 log streams that are not read", on: "HTTP and API", said: `throttled|` + hog, code: `
function attack() { for (local i = 0; i < 5000; i++) server.log("line " + i); }`, load: streams},
	{name: "lists are read as fast as they go", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.operator(ctx, t, func(n int64) (method, path, body string) {
			lists := [...]string{
				"/devices?page[size]=100", "/devices/" + t.Culprit.ID + "/logs?page[size]=100", "/deployments?page[size]=100",
				"/libraries", "/devicegroups?page[number]=99999999999999999999", "/cluster",
			}
			return "GET", lists[n%int64(len(lists))], ""
		})
	}},
	{name: "connections that come and go", on: "HTTP and API", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.each(ctx, 16, func(i int) error {
			nc, err := t.dial(ctx, t.HTTP, i)
			if err != nil {
				return err
			}
			return nc.Close()
		})
	}},

	{name: "513 uploads that stop in the middle", on: "agents' listener", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.host(), 513, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 500000\r\n\r\n%s",
			t.path(), t.host(), strings.Repeat("x", 17_000)))
	}},
	{name: "2,000 requests wait for an agent that never answers", on: "agents' listener", said: `(?i)wait|inbox|503`,
		noted: refused, code: `
kept <- []; http.onrequest(function(q, r) { 
    kept.push(r); if (kept.len() == 1000) server.log("1000 requests wait"); });`,
		load: func(ctx context.Context, t *target, s *share) error {
			return s.crowd(ctx, t, t.host(), 2000, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t.path(), t.host()))
		}},
	{name: "answers of 1 MB read one byte at a time", on: "agents' listener",
		noted: refused, said: `answered 300|` + refused,
		code: `
s <- "x"; for (local i = 0; i < 20; i++) s += s;
n <- 0; http.onrequest(function(q, r) { r.send(200, s); if (++n == 300) server.log("answered 300"); });`,
		load: func(ctx context.Context, t *target, s *share) error {
			return s.crowd(ctx, t, t.host(), 600, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t.path(), t.host()))
		}},
	{name: "requests as fast as they go", on: "agents' listener", said: hog, noted: refused, code: `
http.onrequest(function(q, r) { local n = 0; for (local i = 0; i < 20000; i++) n += i; r.send(200, "" + n); });`,
		load: func(ctx context.Context, t *target, s *share) error {
			return s.requests(ctx, t, t.host(), 32, func(int64) string {
				return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t.path(), t.host())
			})
		}},
	{name: "queries with 100,000 names", on: "agents' listener", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		query := strings.Repeat("&a=%00", 100_000)
		header := strings.Repeat("X-A: b\r\n", 3000)
		return s.requests(ctx, t, t.host(), 4, func(n int64) string {
			return fmt.Sprintf("GET %s?%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", t.path(), query[:min(len(query), int(n%600)*1000)],
				t.host(), header)
		})
	}},
	{name: "agents are guessed", on: "agents' listener", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.requests(ctx, t, t.host(), 16, func(n int64) string {
			return fmt.Sprintf("POST /%012x/ HTTP/1.1\r\nHost: %s\r\nContent-Length: 500000\r\n\r\nx", n, t.host())
		})
	}},
}

// crowd opens n connections that each begin with a text and then send a byte a second. What
// comes back is not read. Connections that the node has closed are opened again.
func (s *share) crowd(ctx context.Context, t *target, addr string, n int, begin string) error {
	return s.each(ctx, n, func(i int) error {
		nc, err := t.dial(ctx, addr, 0)
		if err != nil {
			return err
		}
		defer nc.Close()
		nc.(*net.TCPConn).SetReadBuffer(4096) // ignore the error: the node's buffers fill later then
		if _, err := io.WriteString(nc, begin); err != nil {
			return err
		}
		s.count(nil)
		for client.Pause(ctx, time.Second) == nil {
			if _, err := nc.Write([]byte("x")); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// uploads makes n requests with large bodies that stay incomplete.
func (s *share) uploads(ctx context.Context, t *target, addr, path string, n, size int) error {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size)
	part := bytes.Repeat([]byte("x"), 64<<10)
	return s.each(ctx, n, func(int) error {
		nc, err := t.dial(ctx, addr, 0)
		if err != nil {
			return err
		}
		defer nc.Close()
		if _, err := io.WriteString(nc, head); err != nil {
			return err
		}
		for sent := 0; sent < size-len(part) && s.wait(ctx); sent += len(part) {
			if _, err := nc.Write(part); err != nil {
				return err
			}
		}
		s.count(nil)
		<-ctx.Done()
		return ctx.Err()
	})
}

// requests sends requests on n connections, one after the other, and reads what comes back.
func (s *share) requests(ctx context.Context, t *target, addr string, n int, text func(n int64) string) error {
	conns := make([]net.Conn, n)
	bufs := make([][4096]byte, n)
	defer func() {
		for _, nc := range conns {
			if nc != nil {
				nc.Close()
			}
		}
	}()
	return s.each(ctx, n, func(i int) (err error) {
		if conns[i] == nil {
			if conns[i], err = t.dial(ctx, addr, i); err != nil {
				conns[i] = nil
				return err
			}
		}
		conns[i].SetDeadline(time.Now().Add(2 * time.Second)) // ignore the error: the connection has ended then
		if _, err = io.WriteString(conns[i], text(s.done.Load()+s.bad.Load())); err == nil {
			_, err = conns[i].Read(bufs[i][:])
		}
		if err != nil {
			conns[i].Close()
			conns[i] = nil
		}
		return err
	})
}

// operator makes calls to the API with the operator's token. Refusals count as done.
func (s *share) operator(
	ctx context.Context, t *target, call func(n int64) (method, path, body string),
) error {
	api := client.API{HTTP: &http.Client{Timeout: 20 * time.Second}}
	if err := api.Login(ctx, t.HTTP, t.Key); err != nil {
		return err
	}
	return s.each(ctx, 4, func(int) error {
		method, path, body := call(s.done.Load())
		err := api.Call(ctx, t.HTTP, method, path, body, nil)
		if err != nil && strings.Contains(err.Error(), path+": ") {
			return nil // answered with a status
		}
		return err
	})
}

// streams opens log streams of the culprit's log and does not read them.
func streams(ctx context.Context, t *target, s *share) error {
	api := client.API{HTTP: &http.Client{Timeout: 20 * time.Second}}
	if err := api.Login(ctx, t.HTTP, t.Key); err != nil {
		return err
	}
	return s.each(ctx, 200, func(int) error {
		var made struct{ Data struct{ ID string } }
		body := `{"data":{"type":"logstream","attributes":{"devices":["` + t.Culprit.ID + `"]}}}`
		if err := api.Call(ctx, t.HTTP, "POST", "/logstream", body, &made); err != nil {
			return err
		}
		nc, err := t.dial(ctx, t.HTTP, 0)
		if err != nil {
			return err
		}
		defer nc.Close()
		nc.(*net.TCPConn).SetReadBuffer(4096) // ignore the error: the node's buffers fill later then
		if _, err := fmt.Fprintf(nc, "GET /v5/logstream/%s HTTP/1.1\r\nHost: x\r\n\r\n", made.Data.ID); err != nil {
			return err
		}
		s.count(nil)
		<-ctx.Done()
		return ctx.Err()
	})
}

// held makes requests of the culprit's agent on 400 connections at a time.
func held(ctx context.Context, t *target, s *share) error {
	return s.requests(ctx, t, t.host(), 400, func(int64) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t.path(), t.host())
	})
}
