package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-iot/tandem"
)

// pairSource has the sources in a pair's directory.
type pairSource struct {
	agent, device []byte
	hasDevice     bool // there is a device.nut
}

const (
	agentFile  = "agent.nut"
	deviceFile = "device.nut"
)

// readPair reads a pair's sources. The agent's is required.
func readPair(dir string) (pairSource, error) {
	var p pairSource
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, tandem.Errorf(tandem.NotFound, "there is no directory %s", dir)
	case err != nil:
		return p, err
	case !info.IsDir():
		return p, tandem.Errorf(tandem.Invalid, "%s is not a directory; name the directory with %s and %s",
			dir, agentFile, deviceFile)
	}
	p.agent, err = os.ReadFile(filepath.Join(dir, agentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, tandem.Errorf(tandem.NotFound, "%s has no %s", dir, agentFile)
	}
	if err != nil {
		return p, fmt.Errorf("the agent's code cannot be read: %w", err)
	}
	p.device, err = os.ReadFile(filepath.Join(dir, deviceFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case err != nil:
		return p, fmt.Errorf("the device's code cannot be read: %w", err)
	}
	p.hasDevice = true
	return p, nil
}

// stamp distinguishes versions of a file without reading it.
type stamp struct {
	time time.Time
	size int64
}

func stamps(dir string) (s [2]stamp) {
	for i, name := range []string{agentFile, deviceFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// watchPair calls changed after a source file was saved, until ctx ends. It
// polls, which works on every file system and with every editor's way of saving. A
// file counts as saved when two polls find the same stamp, so that a half-written
// file is not read.
func watchPair(ctx context.Context, dir string, every time.Duration, changed func()) {
	known := stamps(dir)
	last := known
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := stamps(dir)
		if now == last && now != known {
			known = now
			changed()
		}
		last = now
	}
}
