//go:build squirrelcheck

package squirrel

import "sync/atomic"

const checked = true

// checks counts the safepoints of all machines.
var checks atomic.Uint64

func (v *VM) at(off uint32) *Value {
	v.words++
	return &v.w[:v.top][off]
}

// Counted says whether the machine counts its work; see VM.Work.
const Counted = true

// counter counts the work of a machine, to compare it with what the program was charged.
type counter struct {
	words int64 // of the arena that were read or written
	arena int64 // bytes of Go memory for the arena
	calm  bool  // collect only when it is due
}

func (c *counter) touch(words int) { c.words += int64(words) }

func (c *counter) grown(words int) { c.arena += int64(words) * 8 }

// Work returns the words of the arena that the machine has read or written, and the
// bytes of Go memory that its arena has taken. From the first call on it collects only
// when that is due.
func (v *VM) Work() (words, arena int64) {
	v.calm = true
	return v.words, v.arena
}

// checkNow collects at every safepoint while that is cheap, otherwise only at some.
func (v *VM) checkNow() bool {
	if v.calm {
		return false
	}
	checks.Add(1)
	return v.top < v.perm+4096 && checks.Load()%4 == 0 || checks.Load()%1024 == 0
}
