//go:build squirrelcheck

package squirrel

import "sync/atomic"

const checked = true

// checks counts the safepoints of all machines.
var checks atomic.Uint64

func (v *VM) at(off uint32) *Value { return &v.w[:v.top][off] }

// checkNow collects at every safepoint while that is cheap, otherwise only at some.
func (v *VM) checkNow() bool {
	checks.Add(1)
	return v.top < v.perm+4096 && checks.Load()%4 == 0 || checks.Load()%1024 == 0
}
