package mesh

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
)

// A link carries frames, each after its length in four bytes, big-endian. The length 0 is
// no frame: it greets the end that has connected, and shows that the link lives.
const (
	lengthSize  = 4
	longest     = maxFrame + fixedHeader + maxNodeName // bytes of a frame that may be received
	pingEvery   = 2 * time.Second
	silence     = 3 * pingEvery    // a link on which nothing arrives for so long is broken
	writeWait   = 10 * time.Second // for writeSize bytes, so that a slow network is no broken one
	writeSize   = 64 << 10
	partingWait = time.Second // for what is to be sent when a link is closed
	maxQueue    = 16 << 20    // bytes that wait to be sent; further frames are lost
	readBuffer  = 64 << 10
)

var (
	errFrameSize = errors.New("it has sent a frame that is longer than a frame can be")
	errQueue     = tandem.Errorf(tandem.Limit, "too much waits to be sent to the node")
)

// link is a connection to another node.
type link struct {
	conn    *tls.Conn
	began   time.Time
	in      *bufio.Reader
	stopped chan struct{} // closed when the link is to end
	once    sync.Once
	queue
}

// queue is what is to be sent.
type queue struct {
	mu      sync.Mutex
	waiting []byte
	spare   []byte        // an empty buffer
	more    chan struct{} // has a token when waiting is not empty
}

func newLink(conn *tls.Conn) *link {
	return &link{
		conn:    conn,
		began:   time.Now(),
		in:      bufio.NewReaderSize(patient{conn}, readBuffer),
		stopped: make(chan struct{}),
		queue:   queue{more: make(chan struct{}, 1)},
	}
}

// patient reads from a link as long as something arrives now and then.
type patient struct{ conn *tls.Conn }

func (p patient) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

// greet tells the end that has connected that its key was accepted.
func greet(ctx context.Context, conn *tls.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(make([]byte, lengthSize)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// greeted waits for the greeting. The handshake ends here before the other end has
// checked the key.
func greeted(ctx context.Context, conn *tls.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	var greeting [lengthSize]byte
	if _, err := io.ReadFull(conn, greeting[:]); err != nil {
		return err
	}
	if greeting != [lengthSize]byte{} {
		return errProtocol
	}
	return conn.SetDeadline(time.Time{})
}

// put queues a copy of a frame.
func (q *queue) put(frame []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(frame) > maxQueue {
		return errQueue
	}
	q.waiting = binary.BigEndian.AppendUint32(q.waiting, uint32(len(frame)))
	q.waiting = append(q.waiting, frame...)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return nil
}

// take returns what is to be sent, and takes back the buffer that it returned before.
func (q *queue) take(done []byte) []byte {
	const keep = 1 << 20
	q.mu.Lock()
	defer q.mu.Unlock()
	if cap(done) <= keep {
		q.spare = done[:0]
	}
	batch := q.waiting
	q.waiting, q.spare = q.spare, nil
	return batch
}

// write sends what is queued until the link is stopped, and closes the connection.
func (l *link) write() {
	defer l.conn.Close() // the other end has been told, or cannot be
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	var batch []byte
	quiet := false // nothing was sent since the last tick
	for {
		select {
		case <-l.stopped:
			l.part(l.take(batch))
			return
		case <-l.more:
			batch = l.take(batch)
			quiet = false
		case <-ping.C:
			if !quiet {
				quiet = true
				continue
			}
			batch = append(batch[:0], 0, 0, 0, 0)
		}
		if l.push(batch, writeWait) != nil {
			l.stop()
			return
		}
	}
}

// push sends a batch. The network has the time wait for each part of it.
func (l *link) push(batch []byte, wait time.Duration) error {
	for len(batch) > 0 {
		n := min(len(batch), writeSize)
		if err := l.conn.SetWriteDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		if _, err := l.conn.Write(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// part sends the last frames. If that fails they are lost, as on any link that breaks.
func (l *link) part(batch []byte) { _ = l.push(batch, partingWait) }

// stop ends the link. It does not wait, and neither does the link if the other end takes
// nothing.
func (l *link) stop() {
	l.once.Do(func() {
		close(l.stopped)
		time.AfterFunc(2*partingWait, func() { _ = l.conn.NetConn().Close() }) // as a rule, again
	})
}

// read returns the next frame.
func (l *link) read() ([]byte, error) {
	for {
		var length [lengthSize]byte
		if _, err := io.ReadFull(l.in, length[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > longest {
			return nil, errFrameSize
		}
		if n == 0 {
			continue
		}
		frame := make([]byte, n)
		_, err := io.ReadFull(l.in, frame)
		return frame, err
	}
}
