// Package child starts processes that end with the program that has started
// them, however that ends.
//
// Linux tells a process of the end of the thread that has started it
// (prctl(2), PR_SET_PDEATHSIG), and Go ends the thread of a goroutine that ends
// locked to it. So each process has a thread for itself, which a goroutine
// keeps until the process has ended. Started on any other thread, a process may
// be killed because of what that thread is used for later.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd, which gets the signal when this program ends. The channel
// gets how the process has ended, once; whoever takes it out may put it back for
// others.
func Start(cmd *exec.Cmd, signal syscall.Signal) (ended chan error, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = signal
	started, end := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return end, <-started
}
