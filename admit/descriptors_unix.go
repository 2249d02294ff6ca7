//go:build unix

package admit

import "syscall"

// Descriptors returns the number of files that the process may have open.
func Descriptors() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // the usual limit
	}
	return int(min(uint64(r.Cur), 1<<20))
}
