package admit

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// A client gets Grace, and then a second more for every Rate bytes. Grace is for a link of
// 30 s each way on which every fifth packet is lost: TCP then repeats a packet after 120 s
// at the most, so two in a row may be lost.
const (
	Grace = 4 * time.Minute
	Rate  = 256
)

// Opening is how long a client may take for a TLS handshake, or for the header of a request. A
// handshake goes two or three times to the client and back, and any of its packets may be lost.
const Opening = 2 * Grace

// allowed returns the time by which the next byte after n bytes must have come.
func allowed(began time.Time, n int64) time.Time {
	return began.Add(Grace + time.Duration(n)*(time.Second/Rate))
}

// Body is the body of a request whose client has to make progress. It replaces the body
// of the request.
type Body struct {
	io.ReadCloser
	control http.ResponseController
	began   time.Time // zero until the body turns out to come in several pieces
	n       int64

	interruption
}

// interruption is whether a transfer has been interrupted, under its lock.
type interruption struct {
	mu   sync.Mutex
	over bool // interrupted, or at its end: the deadline is no longer the transfer's
}

// Pace makes r.Body a [Body] if there is one, and Grace the deadline of its first bytes, whether
// r.Body is read or not, because the server reads its rest. Without a body Pace removes the deadline.
func Pace(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if r.ContentLength == 0 || r.Body == nil {
		// A server without deadlines, such as a recorder in tests, returns an error.
		_ = control.SetReadDeadline(time.Time{})
		return
	}
	_ = control.SetReadDeadline(time.Now().Add(Grace))
	r.Body = &Body{ReadCloser: r.Body, control: *control}
}

// Read reads from the body.
func (b *Body) Read(p []byte) (int, error) {
	if !b.extend() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if errors.Is(err, io.EOF) {
		b.finish()
	}
	return n, err
}

// Interrupt makes a Read that waits, and all further ones, return an error.
func (b *Body) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		_ = b.control.SetReadDeadline(time.Unix(1, 0)) // it fails only on a closed connection
	}
}

// extend sets the deadline when bytes have come. It returns false after an interruption.
func (b *Body) extend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over && b.n > 0 {
		if b.began.IsZero() {
			b.began = time.Now()
		}
		_ = b.control.SetReadDeadline(allowed(b.began, b.n)) // as in Pace
	}
	return !b.over
}

// finish removes the deadline: it would end the request while the client waits.
func (b *Body) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// Errors of ReadBody.
var (
	ErrLarge = errors.New("admit: the body is too large")
	ErrFull  = errors.New("admit: there is no room for the body")
)

// FirstRead is the size of the buffer that a body gets in any case, before data has come.
const FirstRead = 16 << 10

// ReadBody reads a body of size bytes, -1 if it is unknown, and of up to limit. It asks
// grow for the bytes that a larger buffer than FirstRead takes, so that room is taken as
// data comes and not as it is announced. grow may be nil.
func ReadBody(r io.Reader, size, limit int64, grow func(n int64) bool) ([]byte, error) {
	switch {
	case size == 0:
		return nil, nil
	case size > limit:
		return nil, ErrLarge
	case size < 0:
		size = limit + 1 // one more, to see that it is too large
	}
	body := make([]byte, 0, min(size, FirstRead))
	for {
		if int64(len(body)) == size {
			return body, whole(body, limit)
		}
		if len(body) == cap(body) {
			larger := min(2*int64(cap(body)), size)
			if grow != nil && !grow(larger-int64(cap(body))) {
				return nil, ErrFull
			}
			body = append(make([]byte, 0, larger), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF) && int64(len(body)) < size && size <= limit:
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return body, whole(body, limit)
		case err != nil:
			return nil, err
		}
	}
}

func whole(body []byte, limit int64) error {
	if int64(len(body)) > limit {
		return ErrLarge
	}
	return nil
}

// writeSize is how much is written with one deadline, in bytes.
const writeSize = 64 << 10

// Answer is a body on its way to a client that has to make progress.
type Answer struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	progress func()

	interruption
}

// NewAnswer returns an answer to be written. progress, which may be nil, is called when a
// part of it has been written.
func NewAnswer(w http.ResponseWriter, progress func()) *Answer {
	return &Answer{w: w, control: http.NewResponseController(w), progress: progress}
}

// Write writes the whole of data.
func (a *Answer) Write(data []byte) error {
	defer a.finish()
	began := time.Now()
	for n := 0; n < len(data); {
		if !a.extend(began, int64(n)) {
			return os.ErrDeadlineExceeded
		}
		part, err := a.w.Write(data[n:min(len(data), n+writeSize)])
		if err != nil {
			return err
		}
		n += part
		if a.progress != nil {
			a.progress()
		}
	}
	return nil
}

// Interrupt makes a Write that is under way return an error.
func (a *Answer) Interrupt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.over = true
		_ = a.control.SetWriteDeadline(time.Unix(1, 0)) // it fails only on a closed connection
	}
}

func (a *Answer) extend(began time.Time, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		// A server without deadlines, such as a recorder in tests, returns an error.
		_ = a.control.SetWriteDeadline(allowed(began, n))
	}
	return !a.over
}

// finish leaves the last deadline in place: the server writes the rest of its buffer.
func (a *Answer) finish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}
