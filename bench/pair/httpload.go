package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// httpTarget is a server that answers POSTs.
type httpTarget struct {
	name   string
	server *process
	addr   string
	paths  []string // used in turn
	check  func(answer []byte) error
}

// httpConn is a bare HTTP/1.1 client connection. The generator shares two
// cores with the server under test, so it must cost next to nothing.
type httpConn struct {
	c    net.Conn
	r    *bufio.Reader
	req  []byte
	body []byte
}

func dialHTTP(ctx context.Context, addr string) (*httpConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httpConn{c: c, r: bufio.NewReaderSize(c, 4096)}, nil
}

// post sends body and returns the answer's, valid until the next call.
func (h *httpConn) post(path string, body []byte) ([]byte, error) {
	h.req = append(h.req[:0], "POST "...)
	h.req = append(h.req, path...)
	h.req = append(h.req, " HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: "...)
	h.req = strconv.AppendInt(h.req, int64(len(body)), 10)
	h.req = append(h.req, "\r\n\r\n"...)
	h.req = append(h.req, body...)
	if err := h.c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := h.c.Write(h.req); err != nil {
		return nil, err
	}
	line, err := h.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return nil, fmt.Errorf("%s answered %q", path, bytes.TrimSpace(line))
	}
	length := -1
	for {
		if line, err = h.r.ReadSlice('\n'); err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, errors.New("an answer without Content-Length")
	}
	if cap(h.body) < length {
		h.body = make([]byte, length)
	}
	h.body = h.body[:length]
	_, err = io.ReadFull(h.r, h.body)
	return h.body, err
}

// load keeps conns requests in flight for d and returns their times.
func (t httpTarget) load(ctx context.Context, conns int, d time.Duration, body []byte) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	took := make([][]time.Duration, conns)
	errs := make([]error, conns)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			if took[i], errs[i] = t.worker(ctx, i, conns, start.Add(d), body); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return newSample(time.Since(start), took...), firstError(t.name, errs)
}

func (t httpTarget) worker(ctx context.Context, i, step int, until time.Time, body []byte) ([]time.Duration, error) {
	c, err := dialHTTP(ctx, t.addr)
	if err != nil {
		return nil, err
	}
	defer c.c.Close()
	took := make([]time.Duration, 0, 1<<14)
	for n := i; ctx.Err() == nil; n += step {
		begin := time.Now()
		if begin.After(until) {
			break
		}
		answer, err := c.post(t.paths[n%len(t.paths)], body)
		if err != nil {
			return took, err
		}
		if err := t.check(answer); err != nil {
			return took, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// once makes one request to every path, with conns in parallel.
func (t httpTarget) once(ctx context.Context, conns int, body []byte) (sample, error) {
	took := make([][]time.Duration, conns)
	errs := make([]error, conns)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			c, err := dialHTTP(ctx, t.addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.c.Close()
			for n := i; n < len(t.paths) && ctx.Err() == nil; n += conns {
				begin := time.Now()
				if _, errs[i] = c.post(t.paths[n], body); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return newSample(time.Since(start), took...), firstError(t.name, errs)
}

func firstError(name string, errs []error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// equals checks an echo.
func equals(body []byte) func([]byte) error {
	return func(answer []byte) error {
		if !bytes.Equal(answer, body) {
			return fmt.Errorf("an echo of %d bytes was answered with %d different ones", len(body), len(answer))
		}
		return nil
	}
}

// counts checks that the answer is a positive number.
func counts(answer []byte) error {
	if n, err := strconv.Atoi(string(bytes.TrimSpace(answer))); err != nil || n < 1 {
		return fmt.Errorf("a counter answered %q", answer)
	}
	return nil
}
