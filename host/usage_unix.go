//go:build unix

package host

import (
	"syscall"
	"time"
)

// ProcessorTime returns the processor time that this process has used since it began, and
// 0 where that is not known.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // cannot happen for the own process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
