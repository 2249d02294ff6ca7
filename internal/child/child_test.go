package child

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process outlives whatever is done with the threads of the program that has
// started it.
func TestStart(t *testing.T) {
	type process struct {
		cmd   *exec.Cmd
		ended <-chan error
	}
	var all []process
	for range 20 {
		cmd := exec.Command("sleep", "60")
		ended, err := Start(cmd, syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, process{cmd, ended})
		// Threads end.
		done := make(chan struct{})
		for range 20 {
			go func() {
				runtime.LockOSThread()
				done <- struct{}{}
			}()
		}
		for range 20 {
			<-done
		}
	}
	<-time.After(100 * time.Millisecond) // for a signal to arrive
	for _, p := range all {
		select {
		case err := <-p.ended:
			t.Errorf("a process has ended: %v", err)
			continue
		default:
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := <-p.ended; err == nil {
			t.Error("it was killed and ended well")
		}
	}
	if _, err := Start(exec.Command("/no such program"), syscall.SIGKILL); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestOutput(t *testing.T) {
	if out, err := Output(t.Context(), "echo", "one", "two"); out != "one two\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	_, err := Output(t.Context(), "sh", "-c", "echo said; echo failed >&2; exit 3")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasSuffix(err.Error(), ": failed\nsaid") {
		t.Errorf("got %v", err)
	}
}
