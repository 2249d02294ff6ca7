package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device/runner"
)

// fillCode posts readings of 100 bytes without a link, and sets a pin when they are kept.
const fillCode = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
hardware.pin1.configure(DIGITAL_OUT, 0);
n <- 0;
function reading() {
    if (RANDOM) {
        local data = blob(80);
        for (local i = 0; i < 80; i++) data.writen(math.rand() & 0xff, 'b');
        return { i = n, of = BULK, data = data };
    }
    return {
        i = n, of = BULK, time = 1764547200 + n * 12, celsius = 21.5 + (n % 37) * 0.1, humidity = 40 + n % 19,
        pressure = 1013.25 - (n % 23) * 0.2, battery = 3.71, door = n % 50 == 0, site = "roof"
    };
}
function more() {
    for (local i = 0; i < 500 && n < BULK; i++) {
        if (tandem.post("n", reading()) != 0) { imp.wakeup(0.05, more); return; }
        n++;
    }
    if (n < BULK) imp.wakeup(0.01, more); else hardware.pin1.write(1);
}
more();
`

// outcome is the last line of a run with -backlog.
type outcome struct {
	Readings int     `json:"readings"`
	Latency  string  `json:"latency"`
	Loss     float64 `json:"loss"`
	Random   bool    `json:"random"`
	Fill     float64 `json:"fill_s"` // to keep them
	Seconds  float64 `json:"s"`      // from the start with a link until the agent has had all
	Got      int     `json:"got"`
	Wrong    int     `json:"wrong"` // out of order, or twice
}

// backlog has a device that has kept readings get a link.
func backlog(ctx context.Context, o options, a asker, p pair) error {
	n := o.networks()[0]
	r := outcome{Readings: o.backlog, Latency: n.Latency.String(), Loss: n.Loss, Random: o.random}
	if _, err := a.until(ctx, p.URL, time.Minute, func(*status) bool { return true }); err != nil {
		return err
	}
	began := time.Now()
	if err := fill(ctx, o, p); err != nil {
		return err
	}
	r.Fill = time.Since(began).Seconds()
	// The device was off since, and has other code.
	end, err := o.device(ctx, p, "later.nut", "", board.New(), false)
	if err != nil {
		return err
	}
	began = time.Now()
	s, err := a.until(ctx, p.URL, o.patience, func(s *status) bool { return s.N >= o.backlog })
	if all := moment(s.All); !all.IsZero() {
		r.Seconds = all.Sub(began).Seconds()
	}
	if err := errors.Join(err, end()); err != nil {
		return fmt.Errorf("%d of %d have come: %w", s.N, o.backlog, err)
	}
	// Nothing comes twice afterwards.
	if s, err = a.ask(ctx, p.URL); err != nil {
		return err
	}
	r.Got, r.Wrong = s.N, s.Wrong
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	if r.Got != o.backlog || r.Wrong != 0 {
		return errors.New("not each reading has come once, in order")
	}
	return nil
}

// fill has the device keep the readings.
func fill(ctx context.Context, o options, p pair) error {
	code := strings.NewReplacer("BULK", fmt.Sprint(o.backlog), "RANDOM", fmt.Sprint(o.random)).Replace(fillCode)
	b := board.New()
	end, err := o.device(ctx, p, "fill.nut", code, b, true)
	if err != nil {
		return err
	}
	for b.Read("pin1", time.Now()) < 0.5 {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), end())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return end()
}

// device starts the device with a code. end ends it.
func (o *options) device(
	ctx context.Context, p pair, name, code string, b *board.Simulated, offline bool,
) (end func() error, err error) {
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		return nil, err
	}
	c := cell{Transport: "tcp"}
	r := &runner.Runner{
		ID: tandem.DeviceID(p.ID), Key: p.Key, Addr: c.url(), Dir: filepath.Join(o.dir, "device"), Code: path, Board: b,
	}
	if offline {
		r.Offline(true)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() error { cancel(); return <-ended }, nil
}
