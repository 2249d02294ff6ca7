package host

import (
	"runtime/debug"
	"time"
)

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
