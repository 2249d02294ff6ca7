package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/device/runner"
)

// fakeSys makes the files of a computer whose button is not pressed.
func fakeSys(t *testing.T) *computer {
	t.Helper()
	c := newComputer(t.TempDir())
	for file, text := range map[string]string{c.celsius: "42500\n", c.led: "1", c.gpio: "0\n"} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestComputer(t *testing.T) {
	c := fakeSys(t)
	if got := c.Read(thermometer, time.Time{}); got != 0.425 {
		t.Errorf("the processor has %v", got)
	}
	if err := c.Write("pin9", 1); err != nil {
		t.Error("a pin that is not connected:", err)
	}
	c.led = filepath.Join(c.led, "none")
	if c.Write(light, 1) == nil || c.Setup(light, "DIGITAL_OUT", 0) == nil {
		t.Error("a light that is not there was switched on")
	}
}

// TestRun: the program switches the light off at its start, and on when the button is pressed,
// without any node.
func TestRun(t *testing.T) {
	c := fakeSys(t)
	d := &runner.Runner{
		ID: "0123456789abcdef", Key: "secret", Addr: "tcp://127.0.0.1:1", Dir: t.TempDir(), Code: "device.nut",
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, d, c) }()
	until(t, "the light goes out", func() bool { return text(c.led) == "0" })
	if err := os.WriteFile(c.gpio, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the light goes on", func() bool { return text(c.led) == "1" })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func text(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// until waits for a condition, which another process could not tell us of either.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for patience := time.After(time.Minute); !is(); {
		select {
		case <-look.C:
		case <-patience:
			t.Fatal(fmt.Sprint("waited in vain until ", what))
		}
	}
}
