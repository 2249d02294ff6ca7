package mesh

import (
	"errors"
	"sync"
	"time"
)

// Bounds on connections to the port for other nodes that have not proved their key.
const (
	maxStrangers     = 64
	maxStrangersEach = 8           // of one address
	refusePause      = time.Second // for which a refused one counts on
	// unknownPause is the same for one with a key that is not known. A node that takes the place
	// of a run which is not declared lost yet connects some seconds before the others know it.
	unknownPause = 5 * time.Second
)

var errCrowd = errors.New("too many connections that have not proved a key")

// door counts the connections that have not proved their key.
type door struct {
	mu     sync.Mutex
	inside map[string]int // by address
	all    int
}

// enter takes a place, if there is one.
func (d *door) enter(from string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= maxStrangers || d.inside[from] >= maxStrangersEach {
		return false
	}
	if d.inside == nil {
		d.inside = map[string]int{}
	}
	d.inside[from]++
	d.all++
	return true
}

func (d *door) leave(from string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.inside[from]--; d.inside[from] == 0 {
		delete(d.inside, from)
	}
}
