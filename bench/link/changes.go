package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/device/runner"
)

// change is what becomes of a device of our own runtime whose network goes and comes, in seconds.
type change struct {
	Up   float64 `json:"network_up_s"`   // from a network that comes up to a connection
	Gone float64 `json:"address_gone_s"` // from the loss of its address to the end of the connection
	Back float64 `json:"address_back_s"` // from a new address to a connection
}

// A device that does not hear of its network needs more than longestChange in each case: after a network that
// is away for downTime its next attempt comes after 13 s, and a silent connection ends after 20 s at the earliest.
const (
	downTime      = 25 * time.Second
	longestChange = 10 * time.Second
)

// linkLog is a log that tells when the device is connected.
type linkLog struct{ changes chan bool }

func (l linkLog) Enabled(context.Context, slog.Level) bool { return true }
func (l linkLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l linkLog) WithGroup(string) slog.Handler            { return l }

func (l linkLog) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "connected":
		l.changes <- true
	case "not connected":
		l.changes <- false
	}
	return nil
}

// wait waits until the device is connected, or is not, and returns the seconds that takes.
func (l linkLog) wait(ctx context.Context, connected bool, within time.Duration) (float64, error) {
	began := time.Now()
	timeout := time.After(within)
	for {
		select {
		case is := <-l.changes:
			if is == connected {
				return time.Since(began).Seconds(), nil
			}
		case <-timeout:
			return within.Seconds(), fmt.Errorf("after %v connected is not %v", within, connected)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// changes has the network of this namespace go and come under a device.
func changes(ctx context.Context, o options, p pair) (c change, err error) {
	code := filepath.Join(o.dir, "changes.nut")
	if err := os.WriteFile(code, nil, 0o600); err != nil {
		return c, err
	}
	log := linkLog{make(chan bool, 1000)}
	r := &runner.Runner{
		ID: tandem.DeviceID(p.ID), Key: p.Key, Addr: (&cell{Transport: "tcp"}).url(), Code: code,
		Dir: filepath.Join(o.dir, "changes"), Logger: slog.New(log),
	}
	if err := ip("link set link0 down"); err != nil {
		return c, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	address := deviceAddress + mask + " dev link0"
	for _, step := range []struct {
		after     time.Duration // in which the device's pauses become long
		command   string
		connected bool
		took      *float64
	}{
		{downTime, "link set link0 up", true, &c.Up},
		{0, "addr del " + address, false, &c.Gone},
		{downTime, "addr add " + address, true, &c.Back},
	} {
		if err := client.Pause(ctx, step.after); err != nil {
			return c, err
		}
		if err := ip(step.command); err != nil {
			return c, err
		}
		took, waitErr := log.wait(ctx, step.connected, 2*time.Minute)
		*step.took = took
		if waitErr == nil && took > longestChange.Seconds() {
			waitErr = fmt.Errorf("it took %.1f s", took)
		}
		if waitErr != nil {
			err = errors.Join(err, fmt.Errorf("ip %s: %w", step.command, waitErr))
		}
	}
	return c, err
}

// ip runs the ip command.
func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}
