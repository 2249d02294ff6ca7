//go:build !squirrelcheck

package squirrel

import "unsafe"

// checked is set by the build tag squirrelcheck: every arena access is then
// bounds-checked and every safepoint collects.
const checked = false

func (v *VM) checkNow() bool { return false }

// counter counts nothing in this build.
type counter struct{}

func (*counter) touch(int) {}

func (*counter) grown(int) {}

// Counted says whether the machine counts its work; see VM.Work.
const Counted = false

// Work returns the words of the arena that the machine has read or written, and the
// bytes of Go memory that its arena has taken, in a build with the tag squirrelcheck;
// otherwise 0.
func (v *VM) Work() (words, arena int64) { return 0, 0 }

// at returns the word at off. Offsets come only from the collector, the compiler and
// verified snapshots, so they are not checked again.
func (v *VM) at(off uint32) *Value {
	return (*Value)(unsafe.Add(v.base, uintptr(off)<<3))
}
