//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// die ends the process as the signal does that no program handles, so that its parent sees
// why it has ended.
func die(sig os.Signal) {
	signal.Reset(sig)
	if n, ok := sig.(syscall.Signal); ok && syscall.Kill(os.Getpid(), n) == nil {
		select {} // the signal ends it
	}
	os.Exit(1)
}
