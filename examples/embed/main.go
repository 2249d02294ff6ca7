// Command embed is a device in a program of its own, on hardware of its own: a computer with
// Linux whose processor's temperature is an analog input, and which has a light and a button.
//
//	TANDEM_DEVICE_ID=… TANDEM_DEVICE_KEY=… go run ./examples/embed tls://tandem.example.com
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/runner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: embed tls://HOST")
		os.Exit(2)
	}
	d := &runner.Runner{
		ID: tandem.DeviceID(os.Getenv("TANDEM_DEVICE_ID")), Key: os.Getenv("TANDEM_DEVICE_KEY"),
		Addr: os.Args[1], Dir: "tandem-device-embed", Logger: slog.Default(),
	}
	if err := run(ctx, d, newComputer("/sys")); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run runs a device on a computer until ctx ends.
func run(ctx context.Context, d *runner.Runner, c *computer) error {
	d.Board = c
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(watching, d.Changed)
	}()
	err := d.Run(ctx)
	stop()
	<-watched
	return err
}
