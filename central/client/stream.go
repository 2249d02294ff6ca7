package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Stream is a log stream of a node.
type Stream struct {
	ID string `json:"id"`

	last string // number of the last event that was read
}

// OpenStream opens a log stream that begins with the last lines of devices, and follows them
// without a gap.
func (c *Client) OpenStream(ctx context.Context, devices []string, lines int) (*Stream, error) {
	in := sent{Type: "logstream", Attributes: map[string]any{"devices": devices, "lines": lines}}
	s, err := object[Stream](ctx, c, call{method: "POST", path: "/logstream", in: in})
	return &s, err
}

// Follow adds a device to a stream, from now on.
func (c *Client) Follow(ctx context.Context, s *Stream, device string) error {
	return c.do(ctx, call{method: "PUT", path: at("logstream", s.ID, device)}, nil)
}

// Unfollow takes a device out of a stream.
func (c *Client) Unfollow(ctx context.Context, s *Stream, device string) error {
	return c.do(ctx, call{method: "DELETE", path: at("logstream", s.ID, device)}, nil)
}

// ReadStream calls show for each line of a stream, until it ends or breaks; that is an error with
// kind Unavailable. Called again it goes on after the line that was shown last; the error has kind
// NotFound when the stream is no more.
func (c *Client) ReadStream(ctx context.Context, s *Stream, show func(tandem.LogEntry) error) error {
	k := call{method: "GET", path: at("logstream", s.ID), query: map[string][]string{"format": {"json"}}}
	if s.last != "" {
		k.headers = header{"Last-Event-ID", s.last}
	}
	r, err := c.request(ctx, k)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return s.read(r, show)
}

func (s *Stream) read(r *http.Response, show func(tandem.LogEntry) error) error {
	number := ""
	events := bufio.NewScanner(r.Body)
	events.Buffer(nil, 1<<20)
	for events.Scan() {
		name, value, _ := strings.Cut(events.Text(), ": ")
		switch name {
		case "id":
			number = value
		case "data":
			var e tandem.LogEntry
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return err
			}
			if e.Type != "" { // events about the stream itself have none
				if err := show(e); err != nil {
					return err
				}
			}
			s.last = number
		}
	}
	return &tandem.Error{Kind: tandem.Unavailable, Msg: "the node has ended the log", Err: events.Err()}
}
