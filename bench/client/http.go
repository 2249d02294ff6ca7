package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// HTTP is a bare HTTP/1.1 client connection. The generator shares two
// cores with the server under test, so it must cost next to nothing.
type HTTP struct {
	net.Conn
	r    *bufio.Reader
	req  []byte
	body []byte
}

// DialHTTP connects to a server.
func DialHTTP(ctx context.Context, addr string) (*HTTP, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewHTTP(c), nil
}

// NewHTTP makes a client of a connection.
func NewHTTP(c net.Conn) *HTTP { return &HTTP{Conn: c, r: bufio.NewReaderSize(c, 4096)} }

// Post sends body and returns the answer's, valid until the next call. It fails when the
// status is not 200.
func (h *HTTP) Post(path string, body []byte) ([]byte, error) {
	status, answer, err := h.Ask("POST", path, "Content-Type: text/plain\r\n", body)
	if err == nil && status != 200 {
		err = fmt.Errorf("%s answered %d %.200q", path, status, answer)
	}
	return answer, err
}

// Ask makes a request with further header lines, each of which ends in CR LF. The answer
// must have a Content-Length; it is valid until the next call.
func (h *HTTP) Ask(method, path, headers string, body []byte) (status int, answer []byte, err error) {
	h.req = append(append(append(h.req[:0], method...), ' '), path...)
	h.req = append(h.req, " HTTP/1.1\r\nHost: bench\r\n"...)
	h.req = append(append(h.req, headers...), "Content-Length: "...)
	h.req = strconv.AppendInt(h.req, int64(len(body)), 10)
	h.req = append(h.req, "\r\n\r\n"...)
	h.req = append(h.req, body...)
	if err := h.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, nil, err
	}
	if _, err := h.Write(h.req); err != nil {
		return 0, nil, err
	}
	line, err := h.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("%s answered %q", path, bytes.TrimSpace(line))
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("%s answered %q", path, bytes.TrimSpace(line))
	}
	answer, err = h.answer()
	return status, answer, err
}

// answer reads the headers and the body of an answer.
func (h *HTTP) answer() ([]byte, error) {
	length := -1
	for {
		line, err := h.r.ReadSlice('\n')
		if err != nil {
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
	_, err := io.ReadFull(h.r, h.body)
	return h.body, err
}
