package main

import (
	"bytes"
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

// same reports whether both are the same text.
func (p pairSource) same(other pairSource) bool {
	return bytes.Equal(p.agent, other.agent) && bytes.Equal(p.device, other.device)
}

const (
	agentFile  = "agent.nut"
	deviceFile = "device.nut"
)

// dirName names a directory in a message.
func dirName(dir string) string {
	if dir == "." {
		return "the current directory"
	}
	return dir
}

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
		return p, tandem.Errorf(tandem.NotFound, "%s has no %s", dirName(dir), agentFile)
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

// stamps returns those of a pair's files and of its board's.
func stamps(dir, board string) (s [3]stamp) {
	for i, name := range []string{filepath.Join(dir, agentFile), filepath.Join(dir, deviceFile), board} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// sight is what dev deploys when it has changed.
type sight struct {
	files     [3]stamp
	tests     string // stamps of the files of tests, where dev runs them
	libraries int    // of the node; counted while code does not compile, for which one may be what it lacks
}

// watch calls changed after what look sees differs from what is known, until ctx ends. It
// polls, which works on every file system and with every editor's way of saving. A file
// counts as saved when two polls find the same stamp, so that a half-written file is not
// read. changed returns how many libraries it has known of.
func watch(ctx context.Context, every time.Duration, known sight, look func() sight, changed func() int) {
	last := known
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look()
		if now == last && now != known {
			known.files, known.tests = now.files, now.tests
			known.libraries = changed()
		}
		last = now
	}
}

// look returns what there is to deploy.
func (d *dev) look(ctx context.Context) sight {
	n := d.libraries
	if d.refused {
		n = d.countLibraries(ctx)
	}
	return sight{stamps(d.Dir, d.Board), d.testStamps(), n}
}

// countLibraries returns how many libraries the node has.
func (d *dev) countLibraries(ctx context.Context) int {
	list, err := d.node.Central.Store.Libraries(ctx)
	if err != nil {
		d.logger.Error("the libraries cannot be read", "err", err)
	}
	return len(list)
}
