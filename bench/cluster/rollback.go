package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Lines in the log of a node whose database went back in time.
const (
	lineWentBack = `msg="the database went back in time`
	lineRescued  = `msg="the newest state of this node's agents was saved again"`
	lineAll      = ` not_saved=0`
	lineLacks    = `msg="the database lacks`
)

// noticePatience is how long the nodes may take to notice that the database went back, and to
// save their agents again; after 15 s others may start the agents.
const noticePatience = 14 * time.Second

// rollBack makes the database what it was some seconds before. Each node must notice it, once,
// and save all of its agents again. No agent is between two nodes then, and no device is
// off the network for long, so nothing of the little that may be lost is there: the
// load checks the answers as after every other fault.
func rollBack(ctx context.Context, d *load, _ *proc, random *rand.Rand) error {
	l := d.lab
	backup := filepath.Join(l.dir, "backup")
	if err := l.pg.Copy(backup); err != nil {
		return err
	}
	<-time.After(time.Duration(1000+random.IntN(9000)) * time.Millisecond)
	if err := l.settled(ctx, l.nodes[0], len(l.nodes)); err != nil {
		return err
	}
	sizes := make([]int64, len(l.nodes))
	for i, n := range l.nodes {
		info, err := os.Stat(n.Log)
		if err != nil {
			return err
		}
		sizes[i] = info.Size()
	}
	d.did("the database goes back to a copy")
	if err := l.pg.Restore(backup); err != nil {
		return err
	}
	began := time.Now()
	for i, n := range l.nodes {
		if err := n.rescues(ctx, sizes[i], began.Add(noticePatience)); err != nil {
			return err
		}
	}
	d.did("all nodes have saved their agents again, after %v", time.Since(began).Round(time.Millisecond))
	if err := l.settled(ctx, l.nodes[0], len(l.nodes)); err != nil {
		return err
	}
	var errs []error
	for i, n := range l.nodes {
		log, err := n.logSince(sizes[i])
		if err := errors.Join(err, checkRescue(log)); err != nil {
			errs = append(errs, fmt.Errorf("%s, whose database went back: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// rescues waits until a node has saved its agents again.
func (n *proc) rescues(ctx context.Context, size int64, deadline time.Time) error {
	for {
		log, err := n.logSince(size)
		if err != nil || strings.Contains(log, lineRescued) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has not saved its agents again %v after its database went back; its log since:\n%s",
				n.Name, noticePatience, log)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logSince returns what a node has logged since its log had a size.
func (n *proc) logSince(size int64) (string, error) {
	text, err := os.ReadFile(n.Log)
	if err != nil {
		return "", err
	}
	return string(text[min(size, int64(len(text))):]), nil
}

// checkRescue checks what a node has logged since its database went back.
func checkRescue(log string) error {
	noticed, rescued := 0, 0
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, lineWentBack):
			noticed++
		case strings.Contains(line, lineRescued) && strings.Contains(line, lineAll):
			rescued++
		case strings.Contains(line, lineRescued), strings.Contains(line, lineLacks):
			return fmt.Errorf("it has lost more than it may:\n%s", log)
		}
	}
	if noticed != 1 || rescued != 1 {
		return fmt.Errorf("it has noticed that %d times, and saved its agents again %d times:\n%s", noticed, rescued, log)
	}
	return nil
}
