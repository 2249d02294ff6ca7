//go:build linux || darwin

package runner

import (
	"fmt"
	"syscall"
)

// One part of the disk in share is left to others, and at most maxShare bytes: a large disk
// that is shared is seldom emptier.
const (
	share    = 20
	maxShare = 1 << 30
)

// leavesShare returns an error when so many more bytes would take the share of the disk that is
// left to others.
func leavesShare(dir string, size int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return nil // what the system cannot tell is tried
	}
	block := uint64(s.Bsize)
	left := min(s.Blocks*block/share, maxShare)
	if free := uint64(s.Bavail) * block; free < uint64(size)+left {
		return fmt.Errorf("the disk has %d KB, and the last %d KB are left to others", free>>10, left>>10)
	}
	return nil
}
