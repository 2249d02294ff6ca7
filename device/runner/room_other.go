//go:build !linux && !darwin

package runner

// leavesShare does not know here how large the disk is.
func leavesShare(string, int64) error { return nil }
