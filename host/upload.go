package host

import (
	"context"
	"io"
	"sync"
	"time"
)

// upload is the body of an outgoing request that the agent sends in pieces. The
// Fetcher reads it.
type upload struct {
	ctx  context.Context // of the request
	took func(n int)     // called when n bytes, reportSize or more, have been read
	stop func()          // ends the request
	body
}

// body is what the agent and the Fetcher share of an upload, under its lock.
type body struct {
	mu     sync.Mutex
	news   chan struct{} // holds a token when chunks or ended may have changed
	chunks [][]byte
	read   int // bytes not reported yet
	ended  bool
	stream bool        // the agent gets the response in pieces
	timer  *time.Timer // limits the time of the response
}

// reportSize is how many bytes are read before the agent is told. It is less than
// the agent's limit of unread bytes.
const reportSize = 32 << 10

func (u *upload) add(chunk []byte) {
	u.mu.Lock()
	u.chunks = append(u.chunks, chunk)
	u.mu.Unlock()
	u.wake()
}

// end says that the body is complete, how long the request may still take (0 means no
// limit), and whether the agent gets the response in pieces.
func (u *upload) end(timeout time.Duration, stream bool) {
	u.mu.Lock()
	u.ended, u.stream = true, stream
	if timeout > 0 {
		u.timer = time.AfterFunc(timeout, u.stop)
	}
	u.mu.Unlock()
	u.wake()
}

func (u *upload) wake() {
	select {
	case u.news <- struct{}{}:
	default:
	}
}

// Read waits for a piece of the body.
func (u *upload) Read(b []byte) (int, error) {
	for {
		u.mu.Lock()
		if len(u.chunks) > 0 {
			n := copy(b, u.chunks[0])
			if u.chunks[0] = u.chunks[0][n:]; len(u.chunks[0]) == 0 {
				u.chunks[0] = nil
				u.chunks = u.chunks[1:]
			}
			report := 0
			if u.read += n; u.read >= reportSize {
				report, u.read = u.read, 0
			}
			u.mu.Unlock()
			if report > 0 {
				u.took(report)
			}
			return n, nil
		}
		ended := u.ended
		u.mu.Unlock()
		if ended {
			return 0, io.EOF
		}
		select {
		case <-u.news:
		case <-u.ctx.Done():
			return 0, u.ctx.Err()
		}
	}
}

// streams reports whether the agent gets the response in pieces. If the server responds
// before the body has ended, it does not.
func (u *upload) streams() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stream
}

// close releases the resources of a request that has ended.
func (u *upload) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.chunks = nil
	if u.timer != nil {
		u.timer.Stop()
	}
}
