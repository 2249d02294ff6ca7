// Package child starts processes that end with the program that started them, however
// it ends.
//
// Linux tells a process of the end of the thread that started it (prctl(2),
// PR_SET_PDEATHSIG), and Go ends the thread of a goroutine that ends while locked to
// it. So each process has a thread of its own, which a goroutine keeps until the
// process has ended. A process started on any other thread could be killed because of
// a later use of that thread.
package child

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Start starts cmd, which gets the signal when this program ends. The channel gets the
// result of the process once. A receiver may put it back for other receivers.
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

// Output runs a program to its end and returns what it prints.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	ended, err := Start(cmd, syscall.SIGKILL)
	if err == nil {
		err = <-ended
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			bytes.TrimSpace(append(messages.Bytes(), out.Bytes()...)))
	}
	return out.String(), err
}
