//go:build trial

package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device/launch"
)

// runDevice runs the device for a trial, which sees and does what it otherwise cannot: it steps the
// clock, by the duration in the file that TANDEM_TRIAL_CLOCK names, and reads what the code
// writes to uart12 on standard output.
func runDevice(ctx context.Context, o *launch.Options, w io.Writer) error {
	r, err := o.Runner(ctx, w)
	if err != nil {
		return err
	}
	r.Wall = func() time.Time {
		text, err := os.ReadFile(os.Getenv("TANDEM_TRIAL_CLOCK"))
		if err != nil {
			panic(err) // the trial would not be one
		}
		offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			panic(err)
		}
		return time.Now().Add(offset)
	}
	r.Board = &witness{r.Board.(*board.Simulated)}
	return r.Run(ctx)
}

// witness is a board whose uart12 is standard output.
type witness struct{ *board.Simulated }

func (b *witness) Transfer(bus string, addr int, out []byte, in int) ([]byte, error) {
	if bus != "uart12" {
		return b.Simulated.Transfer(bus, addr, out, in)
	}
	_, err := os.Stdout.Write(out)
	return nil, err
}
