package host

import (
	"runtime/debug"
	"time"
)

// The memory of frozen machines is returned to the system soon when there is much of
// it: an idle fleet makes no garbage, so Go's collector would keep it for minutes.
const (
	releaseBytes = 32 << 20
	releasePause = 5 * time.Second
)

// frozeArena records that an arena of n bytes is now garbage.
func (h *Host) frozeArena(n int) {
	if h.garbage.Add(int64(n)) < releaseBytes || !h.releasing.CompareAndSwap(false, true) {
		return
	}
	// Other agents will freeze at about the same time.
	time.AfterFunc(releasePause, func() {
		h.garbage.Store(0)
		h.releasing.Store(false)
		debug.FreeOSMemory()
	})
}
