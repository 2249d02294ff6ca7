package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// Times of release: when the device has started and connected, and then because each connection needs
// again what later ones may not.
const (
	firstRelease = 10 * time.Second
	nextRelease  = 10 * time.Minute
)

// releasing has the system take back, now and then, the pages of the program's file that only its start has needed.
func releasing(ctx context.Context) {
	timer := time.NewTimer(firstRelease)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			release()
			timer.Reset(nextRelease)
		case <-ctx.Done():
			return
		}
	}
}

// release unmaps the pages of the program's own file that are never written. Those in use come back when they are
// touched, from the system's cache while that has them; the others it can drop as soon as memory is short. It changes
// nothing where the system tells nothing of the mappings.
func release() {
	program, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var flags string
		n, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &flags)
		if n == 3 && err == nil && flags[1] == '-' && strings.HasSuffix(lines.Text(), " "+program) {
			// Nothing is lost when it fails: the pages stay.
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}
