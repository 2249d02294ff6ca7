package ingress

import (
	"sync"

	"github.com/tandem-iot/tandem"
)

// Bytes of bodies that are being read or wait for an answer at one time. Beyond
// it requests with large bodies are refused, so that clients, who need no
// permission to send something, cannot fill the node's memory. Bodies up to
// firstRead are not counted: that many connections are their own limit.
const (
	bodiesOfAll   = 256 << 20
	bodiesOfAgent = 64 << 20
)

// budget keeps count of what bodies take. The zero value is ready.
type budget struct {
	mu  sync.Mutex
	all int64
	of  map[tandem.AgentID]int64 // has no zeros
}

// take reports whether there is room for n bytes more of an agent. If so, they
// are to be given back.
func (b *budget) take(id tandem.AgentID, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all+n > bodiesOfAll || b.of[id]+n > bodiesOfAgent {
		return false
	}
	if b.of == nil {
		b.of = map[tandem.AgentID]int64{}
	}
	b.all += n
	b.of[id] += n
	return true
}

func (b *budget) give(id tandem.AgentID, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all -= n
	if b.of[id] -= n; b.of[id] == 0 {
		delete(b.of, id)
	}
}

// room is what a body of size bytes, or of a size not known (-1), may take.
// 0: it is too small to count, or too large to be read.
func room(size int64) int64 {
	switch {
	case size < 0:
		return tandem.RequestBodySize
	case size <= firstRead, size > tandem.RequestBodySize:
		return 0
	}
	return size
}
