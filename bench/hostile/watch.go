package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// watch follows the log of a pair.
type watch struct {
	sync.Mutex
	lines []string // type and message
	more  chan struct{}
	err   error
}

// maxWatched is how many lines of a pair are kept; the first ones are dropped.
const maxWatched = 20_000

// follow follows the log of a pair from now on, until ctx ends.
func (s *site) follow(ctx context.Context, p pair) (*watch, error) {
	var made struct {
		Data struct{ ID string }
	}
	body := `{"data":{"type":"logstream","attributes":{"devices":["` + p.ID + `"],"lines":0}}}`
	if err := s.api.Call(ctx, s.web(), "POST", "/logstream", body, &made); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, "GET", s.web()+"/v5/logstream/"+made.Data.ID, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: s.api.HTTP.Transport}).Do(req)
	if err != nil {
		return nil, err
	}
	w := &watch{more: make(chan struct{}, 1)}
	opened := make(chan struct{})
	go func() {
		defer resp.Body.Close()
		w.read(bufio.NewReader(resp.Body), opened)
	}()
	select {
	case <-opened:
	case <-ctx.Done():
	}
	return w, ctx.Err()
}

// read reads server-sent events. opened is closed when the stream has begun.
func (w *watch) read(r *bufio.Reader, opened chan struct{}) {
	open := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			w.Lock()
			w.err = err
			w.Unlock()
			if !open {
				close(opened)
			}
			return
		}
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		var e struct{ State, Type, Msg string }
		if json.Unmarshal([]byte(data), &e) != nil {
			continue
		}
		if e.State == "opened" && !open {
			open = true
			close(opened)
		}
		if e.Type != "" {
			w.add(e.Type + " " + e.Msg)
		}
	}
}

func (w *watch) add(line string) {
	w.Lock()
	defer w.Unlock()
	if len(w.lines) >= maxWatched {
		w.lines = w.lines[maxWatched/2:]
	}
	w.lines = append(w.lines, line)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// matching returns the lines that match.
func (w *watch) matching(pattern string) (list []string) {
	re := regexp.MustCompile(pattern)
	w.Lock()
	defer w.Unlock()
	for _, line := range w.lines {
		if re.MatchString(line) {
			list = append(list, line)
		}
	}
	return list
}
