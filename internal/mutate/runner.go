package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/internal/child"
)

// verdict is the result of the tests for a mutation.
type verdict int

const (
	survived verdict = iota
	noticed
	timedOut   // counts as noticed
	uncompiled // the mutation does not compile
)

// grace is how much longer than its own timeout a test process may take, to build the
// tests and to print the stacks of its goroutines.
const grace = 3 * time.Minute

// maxMemory bounds the memory of a process, in bytes: a mutation can make a loop
// allocate without end.
const maxMemory = 4 << 30

// runner runs tests.
type runner struct {
	options
	dir string // for overlays
}

func newRunner(o options) (*runner, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	return &runner{o, dir}, nil
}

func (r *runner) close() { os.RemoveAll(r.dir) }

// try runs the tests in the directories against a mutation, until one fails.
func (r *runner) try(ctx context.Context, dirs []string, m mutation) (verdict, error) {
	for _, dir := range dirs {
		if v, _, err := r.test(ctx, dir, &m); v != survived || err != nil {
			return v, err
		}
	}
	return survived, nil
}

// test runs the tests in a directory, against a mutation or the unchanged code.
func (r *runner) test(ctx context.Context, dir string, m *mutation) (verdict, string, error) {
	args := []string{"test", "-failfast", "-vet=off", "-ldflags=-w", "-p=1", "-timeout=" + r.timeout.String()}
	if m != nil {
		overlay, err := r.overlay(*m)
		if err != nil {
			return 0, "", err
		}
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.Command("go", append(args, ".")...)
	var output bytes.Buffer
	cmd.Dir = dir
	cmd.Stdout = &output
	cmd.Stderr = &output
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(r.procs))
	ctx, cancel := context.WithTimeout(ctx, r.timeout+grace)
	defer cancel()
	err := runGroup(ctx, cmd)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut, output.String(), nil
	case err == nil:
		return survived, output.String(), nil
	case strings.Contains(output.String(), "[build failed]"), strings.Contains(output.String(), "[setup failed]"):
		return uncompiled, output.String(), nil
	case strings.Contains(output.String(), "panic: test timed out"):
		return timedOut, output.String(), nil
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return noticed, output.String(), nil
	}
	return 0, output.String(), err
}

// overlay writes the mutated file and its description for the go command.
func (r *runner) overlay(m mutation) (string, error) {
	file, desc := filepath.Join(r.dir, filepath.Base(m.File)), filepath.Join(r.dir, "overlay.json")
	if err := os.WriteFile(file, m.apply(), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {m.File: file}})
	if err != nil {
		return "", err
	}
	return desc, os.WriteFile(desc, data, 0o600)
}

// runGroup runs a command in a process group of its own and ends the whole group when
// ctx is done, because the go command's tests and compilers are its children.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ended, err := child.Start(limited(cmd), syscall.SIGTERM)
	if err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("end the tests: %w", err)
	}
	<-ended
	return ctx.Err()
}

// limited starts the command from a shell that sets the limit of memory first.
func limited(cmd *exec.Cmd) *exec.Cmd {
	script := fmt.Sprintf(`ulimit -d %d && exec "$@"`, maxMemory>>10)
	cmd.Args = append([]string{"sh", "-c", script, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	return cmd
}
