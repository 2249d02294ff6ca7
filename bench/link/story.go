package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// story is what became of a device's connections, with the seconds since its start.
type story []string

// longestStory bounds a story; what comes later does not count.
const longestStory = 60

// teller writes a story. As a log handler it takes what our own runtime says of its connections.
type teller struct {
	began time.Time

	mu    sync.Mutex
	story story
}

func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.story) < longestStory {
		t.story = append(t.story, fmt.Sprintf("%.1f s: ", time.Since(t.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

func (t *teller) Enabled(context.Context, slog.Level) bool { return true }
func (t *teller) WithAttrs([]slog.Attr) slog.Handler       { return t }
func (t *teller) WithGroup(string) slog.Handler            { return t }

func (t *teller) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&text, " %v", a)
		return true
	})
	t.say("%s", text.String())
	return nil
}
