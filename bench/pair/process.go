package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
)

// process is a child process.
type process struct {
	cmd *exec.Cmd
	out io.ReadCloser
}

func start(ctx context.Context, path string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, out: out}, nil
}

// startSelf runs this program again in a role.
func startSelf(ctx context.Context, args ...string) (p *process, line string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	if p, err = start(ctx, self, args...); err != nil {
		return nil, "", err
	}
	if line, err = firstLine(p.out); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, line, nil
}

// stop ends the child, with SIGKILL if necessary.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(15*time.Second, func() { p.cmd.Process.Kill() })
	defer force.Stop()
	io.Copy(io.Discard, p.out)
	p.cmd.Wait() // ignore the result
}

// kill ends the child without warning.
func (p *process) kill() {
	p.cmd.Process.Kill()
	io.Copy(io.Discard, p.out)
	p.cmd.Wait() // ignore the result: it was killed
}

// status reads a field of /proc/<pid>/status in bytes. ok is false where
// there is no such file.
func (p *process) status(field string) (bytes float64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, field+":"); found {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024, err == nil
		}
	}
	return 0, false
}

// cpu is the processor time the child has used.
func (p *process) cpu() time.Duration { return node.CPU(p.cmd.Process.Pid) }

// settled waits until the child's resident memory has stopped moving, at most
// limit, and returns it.
func (p *process) settled(ctx context.Context, limit time.Duration) (float64, bool) {
	last, ok := p.status("VmRSS")
	quiet := 0
	for deadline := time.Now().Add(limit); ok && quiet < 3 && time.Now().Before(deadline); {
		if client.Pause(ctx, time.Second) != nil {
			return last, false
		}
		now, _ := p.status("VmRSS")
		if d := now - last; d < last/200 && -d < last/200 {
			quiet++
		} else {
			quiet = 0
		}
		last = now
	}
	return last, ok
}

// waitFor returns when something listens at addr.
func waitFor(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		if client.Pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("nothing listens at %s: %w", addr, err)
		}
	}
}

// descriptors raises the limit of open files to its maximum and returns it.
func descriptors() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 256
	}
	r.Cur = r.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 256
	}
	return int(min(r.Cur, 1<<20))
}
