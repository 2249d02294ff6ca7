// Package runner runs a device: the machine of package device in real time,
// over a link to a real server.
//
// A Runner is one device. Run connects it by MQTT 5, keeps it connected with
// pauses that grow from 0.2 s to 30 s, takes the device code the server sends,
// and runs it. Everything that must outlive the process is in Dir: the code, so
// that the device starts without a network; the counters of boots and
// incarnations; the user configuration. What a real device loses in a power cut,
// the process loses when it ends.
//
// # Messages
//
// An agent.send is published with QoS 1, which the server acknowledges when the
// agent's handler has completed. It carries its Mark, the boot and its number in
// that boot, and is kept and sent again with the same mark, before everything
// later, on each new connection until it is acknowledged. Lines of the log go
// with QoS 0 in their place among the messages, except those that explain how a
// run of the code ended, which are kept like messages. Sessions of MQTT are not
// used: each connection begins with a clean start, a subscription and sys/hello.
//
// # Posts
//
// A tandem.post of the code is a file in Dir before anything else the code does
// is seen, and is sent, with the mark it got then, until the agent has handled
// it; after a power cut before everything newer. A tandem.post of the agent has a
// number. It is acknowledged when a run of the code has handled it, and the number
// is kept then, or earlier together with a user configuration that its handler has
// set; one that comes again is acknowledged only.
//
// # Starting
//
// Switched on, the runner waits for the outcome of the first attempt to connect,
// a few seconds at most, so that code normally starts with a link. After a deep
// sleep it starts the code at once and without a link, as the hardware does. It
// goes on trying to connect until the code says server.disconnect.
package runner

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
)

// Version is what imp.getsoftwareversion gives.
const Version = "tandem"

// Runner runs one device. Its fields must not change after Run was called.
type Runner struct {
	ID  tandem.DeviceID
	Key string // the device's secret

	// Addr is the server: tcp://host:port, tls://host:port, ws://host/path or
	// wss://host/path. The ports default to 1883, 8883, 80 and 443.
	Addr string

	// Dir keeps what outlives the process. It is made when it is missing; no
	// other device may use it at the same time.
	Dir string

	// Code is a file with device code to run instead of what the server sends;
	// "" for none.
	Code string

	// Module is the type of module that code finds; "" has every pin of every
	// type. Give it when code is to see exactly the pins it will have.
	Module string

	// Board is the hardware; nil is a simulated board on which nothing is
	// connected. A *board.Simulated is listened to; whoever has another tells
	// what happens there by Changed.
	Board device.Board

	// TLS is for tls and wss; nil trusts the system's authorities.
	TLS *tls.Config

	Logger *slog.Logger // the runner's own lines; nil discards them

	dial dialer // nil is the network; tests have another
	mail mailbox
}

// Timing.
const (
	keepAlive   = 40 // seconds; a server notices the loss after one and a half of them
	bootWait    = 5 * time.Second
	dialTimeout = 20 * time.Second
	firstPause  = 200 * time.Millisecond
	lastPause   = 30 * time.Second
	leaveWait   = 2 * time.Second // for the last words when Run ends
	healthy     = time.Minute     // a run this long ends a crash loop
	shortestRun = time.Second     // between two starts by server.restart
)

// prepare checks the fields and fills in what was left out.
func (r *Runner) prepare() error {
	if !r.ID.Valid() {
		return tandem.Errorf(tandem.Invalid, "%q is not a device id: 16 lower-case hexadecimal digits are", string(r.ID))
	}
	if r.Module != "" && !device.KnownModule(r.Module) {
		return tandem.Errorf(tandem.Invalid, "%q is not a type of module: use one of %v", r.Module, device.Modules())
	}
	if r.dial == nil {
		d, err := r.networkDialer()
		if err != nil {
			return err
		}
		r.dial = d
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Board == nil {
		r.Board = board.New()
	}
	return nil
}

// Run runs the device until ctx ends, and returns nil then, after it has told
// the server. Any other end is an error. A Runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	l, err := newLoop(r)
	if err != nil {
		return err
	}
	if b, ok := r.Board.(*board.Simulated); ok {
		b.Notify(func(c board.Change) { r.Changed(device.Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data}) })
		defer b.Notify(nil)
	}
	return l.run(ctx)
}
