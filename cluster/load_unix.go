//go:build unix

package cluster

import (
	"syscall"
	"time"
)

// processorTime returns the processor time that this process has used since it began.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // cannot happen for the own process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
