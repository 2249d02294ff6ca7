package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// httpTarget is a server that answers POSTs.
type httpTarget struct {
	name   string
	server *process
	addr   string
	paths  []string // used in turn
	check  func(answer []byte) error
}

// load keeps conns requests in flight for d and returns their times.
func (t httpTarget) load(ctx context.Context, conns int, d time.Duration, body []byte) (client.Sample, error) {
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
	return client.NewSample(time.Since(start), took...), firstError(t.name, errs)
}

func (t httpTarget) worker(ctx context.Context, i, step int, until time.Time, body []byte) ([]time.Duration, error) {
	c, err := client.DialHTTP(ctx, t.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	took := make([]time.Duration, 0, 1<<14)
	for n := i; ctx.Err() == nil; n += step {
		begin := time.Now()
		if begin.After(until) {
			break
		}
		answer, err := c.Post(t.paths[n%len(t.paths)], body)
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
func (t httpTarget) once(ctx context.Context, conns int, body []byte) (client.Sample, error) {
	took := make([][]time.Duration, conns)
	errs := make([]error, conns)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			c, err := client.DialHTTP(ctx, t.addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for n := i; n < len(t.paths) && ctx.Err() == nil; n += conns {
				begin := time.Now()
				if _, errs[i] = c.Post(t.paths[n], body); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return client.NewSample(time.Since(start), took...), firstError(t.name, errs)
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
