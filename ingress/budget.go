package ingress

import (
	"sync"

	"github.com/tandem-iot/tandem"
)

// Limits of the bytes of bodies that are being read or wait for an answer. Beyond
// them requests with large bodies are refused, so that clients, who need no
// permission to send a request, cannot fill the node's memory. Bodies up to
// firstRead are not counted: the number of connections limits them.
const (
	bodiesOfAll   = 256 << 20
	bodiesOfAgent = 64 << 20
)

// budget counts the bytes of bodies. The zero value is ready to use.
type budget struct {
	mu  sync.Mutex
	all int64
	of  map[tandem.AgentID]int64 // has no zeros
}

// take reserves n bytes for a body to an agent, to be given back later. It reports
// whether there are as many.
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

// room returns the bytes to reserve for a body of size bytes, or of unknown size
// (-1). It is 0 for a body too small to count or too large to be read.
func room(size int64) int64 {
	switch {
	case size < 0:
		return tandem.RequestBodySize
	case size <= firstRead, size > tandem.RequestBodySize:
		return 0
	}
	return size
}
