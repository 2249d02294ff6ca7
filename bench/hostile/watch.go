package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// watch follows the log of a pair.
type watch struct {
	sync.Mutex
	lines []string // type and message
	more  chan struct{}
}

// maxWatched is how many lines of a pair are kept; the first ones are dropped.
const maxWatched = 20_000

// follow follows the log of a pair from now on, until ctx ends. The node may close a stream,
// which then is opened again.
func (s *site) follow(ctx context.Context, p pair) (*watch, error) {
	w := &watch{more: make(chan struct{}, 1)}
	opened := make(chan struct{}, 1)
	resp, err := s.stream(ctx, p)
	if err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			if err == nil {
				w.read(bufio.NewReader(resp.Body), opened)
				resp.Body.Close()
			}
			client.Pause(ctx, 20*time.Millisecond) // ignore the error: the loop ends then
			resp, err = s.stream(ctx, p)
		}
	}()
	select {
	case <-opened:
	case <-time.After(slowest):
		return nil, errors.New("a log stream does not open")
	case <-ctx.Done():
	}
	return w, ctx.Err()
}

// stream opens a log stream of a pair.
func (s *site) stream(ctx context.Context, p pair) (*http.Response, error) {
	var made struct {
		Data struct{ ID string }
	}
	body := `{"data":{"type":"logstream","attributes":{"devices":["` + p.ID + `"],"lines":0}}}`
	if err := s.api.Call(ctx, s.web(), "POST", "/logstream", body, &made); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, "GET", s.web()+"/v5/logstream/"+made.Data.ID+"?format=json", nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Transport: s.api.HTTP.Transport}).Do(req)
}

// read reads server-sent events until they end. opened gets a token when the stream has begun.
func (w *watch) read(r *bufio.Reader, opened chan<- struct{}) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
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
		if e.State == "opened" {
			select {
			case opened <- struct{}{}:
			default:
			}
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
