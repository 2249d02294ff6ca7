//go:build unix

package egress

import "syscall"

// descriptors returns how many files the process may have open.
func descriptors() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // what there is at least nearly everywhere
	}
	return int(min(uint64(r.Cur), 1<<20))
}
