// Package runner runs a device: the machine of package device in real time,
// over a link to a real server.
//
// A Runner is one device. Run connects it by MQTT 5, keeps it connected with
// pauses that grow from 0.2 s to 30 s and end when the network changes, takes the
// device code the server sends, and runs it. Everything that must outlive the
// process is in Dir: the device's identity; the code, so that the device starts
// without a network; the counters of boots and incarnations; the user
// configuration and server.permanent; messages of tandem.post that the agent has
// not handled, and on request those of agent.send and lines of the log; the flash.
// What a real device loses in a power cut, the process loses when it ends.
//
// What the device does, and when, is decided by package core, which also has the
// manual of what is kept, sent again and acknowledged. A Runner is the shell
// around it: sockets, files, timers and one goroutine that gives it events and
// does what it wants.
package runner

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
)

// Runner runs one device. Its fields must not change after Run was called.
type Runner struct {
	ID  tandem.DeviceID // "": that with which the device has enrolled (package device/enrol)
	Key string          // the device's secret; "": those that it has got since it enrolled

	// Addr is the server: tcp://host:port, tls://host:port, ws://host/path or
	// wss://host/path. The ports default to 1883, 8883, 80 and 443. "": where it has enrolled.
	Addr string

	// Dir keeps what outlives the process. It is made when it is missing, and locked
	// while the device runs.
	Dir string

	// Code is a file with device code to run instead of what the server sends;
	// "" for none.
	Code string

	// CrashPause is the longest pause before code that keeps crashing starts again; 0 is
	// tandem.CrashPause.
	CrashPause time.Duration

	// KeepSends and KeepLog have messages of agent.send and lines of the log kept like messages of
	// tandem.post, until the code says otherwise by tandem.keepsends and tandem.keeplog.
	KeepSends bool
	KeepLog   bool

	// KeptSize bounds the bytes of the log in which the device keeps all these until the agent has
	// handled them; 0 is core.DefaultJournalSize, 64 MB. The last twentieth of the disk, at most
	// 1 GB, is always left to others. When it is full, the oldest lines of the log go before a message is refused.
	KeptSize int64

	// KeptFor is how long any of them is kept at most; 0: until it was handled. What is
	// dropped is said in the log. The age of messages from before the device has first heard
	// the server's time is not known, and they are kept.
	KeptFor time.Duration

	// Module is the type of module that code finds; "" has every pin of every
	// type. Give it when code is to see exactly the pins it will have.
	Module string

	// Board is the hardware; nil is a simulated board on which nothing is
	// connected. A *board.Simulated is listened to; of any other, call Changed
	// when something happens there.
	Board device.Board

	// TLS is for tls and wss; nil trusts the system's authorities.
	TLS *tls.Config

	// Wall is the clock that the code sees, for a board with one of its own; nil is the
	// system's. It may step in either direction: nothing is due by it.
	Wall func() time.Time

	Logger *slog.Logger // the runner's own lines; nil discards them

	// Beside is what a test adds to the device's machine; nil in production.
	Beside *imp.Beside

	dial    dialer // nil is the network; tests have another
	watched bool   // the network is the machine's, and its changes matter
	mail    mailbox

	verify verification
}

// prepare checks the fields and fills in what was left out.
func (r *Runner) prepare() error {
	if err := r.identify(); err != nil {
		return err
	}
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
		r.dial, r.watched = d, true
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Board == nil {
		r.Board = board.New()
	}
	if r.Wall == nil {
		r.Wall = time.Now
	}
	return nil
}

// Run runs the device until ctx ends, and returns nil then, after it has told
// the server. Any other end is an error. A Runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	s, err := newShell(r)
	if err != nil {
		return err
	}
	if b, ok := r.Board.(*board.Simulated); ok {
		b.Notify(func(c board.Change) { r.Changed(device.Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data, Fault: c.Fault}) })
		defer b.Notify(nil)
	}
	return s.run(ctx)
}
