//go:build !squirrelcheck

package squirrel

import "unsafe"

// checked is set by the build tag squirrelcheck: every arena access is then
// bounds-checked and every safepoint collects.
const checked = false

func (v *VM) checkNow() bool { return false }

// at returns the word at off. Offsets come only from the collector, the compiler and
// verified snapshots, so they are not checked again.
func (v *VM) at(off uint32) *Value {
	return (*Value)(unsafe.Add(v.base, uintptr(off)<<3))
}
