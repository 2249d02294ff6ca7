package squirrel

// IsOutOfMemory reports whether r, from recover, is what the making of values
// panics with when the memory is full. Run recovers it itself; a host that
// makes values between two Runs must.
func IsOutOfMemory(r any) bool { return r == errOutOfMemory }

// Params returns how many parameters a function takes at most, without this;
// 0 when x is no function of a program.
func (v *VM) Params(x Value) int {
	if x.tag() == tagBound {
		x = *v.at(x.off() + 1)
	}
	if !x.isClosure() {
		return 0
	}
	return len(v.proto(lo(*v.at(x.off() + 1))).Params) - 1
}

// Footprint returns the bytes of the arena, used or not.
func (v *VM) Footprint() int { return cap(v.w) * 8 }
