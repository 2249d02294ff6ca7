package host

import (
	"runtime/debug"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/tandem-iot/tandem/agent"
)

// A frozen machine is its snapshot, compressed: words of small integers and
// offsets shrink to a third or less, in a few microseconds. The host has only
// its own snapshots to unpack.

// pack takes data over.
func pack(data []byte) []byte {
	packed := s2.Encode(nil, data)
	return append(make([]byte, 0, len(packed)), packed...) // Encode leaves room for the worst case
}

// restore makes a machine of a packed snapshot.
func (p *pair) restore(packed []byte) (*agent.Machine, error) {
	data, err := s2.Decode(nil, packed)
	if err != nil {
		return nil, err
	}
	return agent.Restore(p.config(), data, time.Now())
}

// Memory of frozen machines goes back to the system at once when there is much
// of it: a fleet that has gone quiet makes no garbage, so Go's collector would
// let it lie for minutes.
const (
	releaseBytes = 32 << 20
	releasePause = 5 * time.Second
)

// frozeArena notes that an arena of n bytes is garbage now.
func (h *Host) frozeArena(n int) {
	if h.garbage.Add(int64(n)) < releaseBytes || !h.releasing.CompareAndSwap(false, true) {
		return
	}
	// More will freeze at about the same time.
	time.AfterFunc(releasePause, func() {
		h.garbage.Store(0)
		h.releasing.Store(false)
		debug.FreeOSMemory()
	})
}
