// Package node runs nodes as processes of the tandem binary, for measurements and tests:
// they can be killed, paused and started again, and the end of their logs can be read.
package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/internal/child"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

const (
	startPatience = 3 * time.Minute
	stopPatience  = 3 * time.Minute
	tailSize      = 4_000 // bytes
)

// Process is a node. It ends with the program that started it.
type Process struct {
	Name   string // for messages
	Web    string // where it listens for HTTP
	Agents string // where it listens for requests to agents
	Log    string // file that its output is appended to

	cmd   *exec.Cmd
	ended chan error // gets the result when it has ended
}

// FreeAddr returns an address on loopback at which no process listens.
func FreeAddr() (string, error) { return freeaddr.Loopback() }

// Start runs a command, which must not be running, and waits until it answers.
func (p *Process) Start(ctx context.Context, command ...string) error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	ended, err := child.Start(p.cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	p.ended = ended
	return p.answers(ctx)
}

func (p *Process) answers(ctx context.Context) error {
	client := http.Client{Timeout: startPatience}
	for deadline := time.Now().Add(startPatience); ; {
		resp, err := client.Get("http://" + p.Web + "/v5/products")
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended: %w; its log:\n%s", p.Name, err, p.Tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer; its log:\n%s", p.Name, p.Tail())
		}
	}
}

// Runs reports whether the process is running.
func (p *Process) Runs() bool {
	if p.ended == nil {
		return false
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		return false
	default:
		return true
	}
}

// Signal sends the process a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// CPU returns the processor time that the process has used.
func (p *Process) CPU() time.Duration { return CPU(p.cmd.Process.Pid) }

// CPU returns the processor time that a process has used, with a resolution of 10 ms, or 0
// when it is not known.
func CPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// Wait waits until the process has ended, if it was started.
func (p *Process) Wait() {
	if p.ended != nil {
		p.ended <- <-p.ended
	}
}

// Kill ends the process with SIGKILL.
func (p *Process) Kill() {
	if p.Runs() {
		p.cmd.Process.Kill() // ignore the error: it may have ended
		p.Wait()
	}
}

// Dump ends the process and makes it log the stacks of its goroutines.
func (p *Process) Dump() {
	if p.Runs() && p.Signal(syscall.SIGQUIT) == nil {
		p.Wait()
	}
}

// Stop asks the process to end, and waits until it has ended.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(stopPatience):
		return fmt.Errorf("%s does not end; its log:\n%s", p.Name, p.Tail())
	}
}

// Tail returns the end of the process's log.
func (p *Process) Tail() string { return Tail(p.Log) }

// Tail returns the end of a log.
func Tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-tailSize):])
}
