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

// verdict says what the tests made of a mutation.
type verdict int

const (
	survived verdict = iota
	noticed
	timedOut   // counts as noticed
	uncompiled // says nothing about the tests
)

// grace is how much longer than its own timeout a test process may take, to
// build the tests and to print where they are stuck.
const grace = 3 * time.Minute

// maxMemory bounds the memory of a process, in bytes: a mutation can turn a
// loop into one that allocates for ever.
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

// try runs the tests in the directories against a mutation, until one notices.
func (r *runner) try(ctx context.Context, dirs []string, m mutation) (verdict, error) {
	for _, dir := range dirs {
		if v, _, err := r.test(ctx, dir, &m); v != survived || err != nil {
			return v, err
		}
	}
	return survived, nil
}

// test runs the tests in a directory, against a mutation or the code as it is.
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
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
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

// overlay writes the mutated file and the description that the go command reads.
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

// runGroup runs a command in a process group of its own, which ends as a whole
// when ctx does: the go command's tests and compilers are its children.
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

// limited has a shell set the limit of memory before it becomes the command.
func limited(cmd *exec.Cmd) *exec.Cmd {
	script := fmt.Sprintf(`ulimit -d %d && exec "$@"`, maxMemory>>10)
	cmd.Args = append([]string{"sh", "-c", script, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	return cmd
}
