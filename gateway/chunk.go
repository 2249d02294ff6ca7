package gateway

import "sync"

// chunk is a buffer for reading or writing, which a connection holds only while it
// has bytes in it. The methods that make sense without bytes may be called on nil.
type chunk struct {
	buf  []byte // in use: buf[from:]
	from int
}

const (
	chunkSize = 4 << 10
	keepSize  = 64 << 10 // larger ones are left to the garbage collector
)

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, chunkSize)} }}

func takeChunk() *chunk { return chunks.Get().(*chunk) }

func (b *chunk) release() {
	if b != nil && cap(b.buf) <= keepSize {
		b.buf, b.from = b.buf[:0], 0
		chunks.Put(b)
	}
}

func (b *chunk) bytes() []byte {
	if b == nil {
		return nil
	}
	return b.buf[b.from:]
}

func (b *chunk) len() int { return len(b.bytes()) }

func (b *chunk) consume(n int) {
	if b != nil {
		b.from += n
	}
}

// room returns at least n bytes to read into, after those in use. They count as in
// use after grow.
func (b *chunk) room(n int) []byte {
	if b.from > 0 {
		b.buf = b.buf[:copy(b.buf, b.buf[b.from:])]
		b.from = 0
	}
	if cap(b.buf)-len(b.buf) < n {
		b.buf = append(make([]byte, 0, 2*cap(b.buf)), b.buf...)
	}
	return b.buf[len(b.buf):cap(b.buf)]
}

func (b *chunk) grow(n int) { b.buf = b.buf[:len(b.buf)+n] }

// trim returns b, or nil when it is empty.
func (b *chunk) trim() *chunk {
	if b.len() > 0 {
		return b
	}
	b.release()
	return nil
}
