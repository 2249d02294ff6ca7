package launch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/runner"
)

// DefaultDir is the directory of a device that has enrolled, and is not named.
const DefaultDir = "tandem-device"

// DefaultNode is where a node on the same machine listens for devices.
const DefaultNode = "tcp://127.0.0.1:7883"

// Options are the options of the command. The tags are those of kong, which the command tandem
// reads; Parse reads them too. A word in ${…} is one of Words.
type Options struct {
	Identity string `placeholder:"FILE" env:"TANDEM_DEVICE_IDENTITY" help:"${help_device_identity}"`
	ID       string `placeholder:"ID" env:"TANDEM_DEVICE_ID" help:"${help_device_id}"`
	Key      string `placeholder:"KEY" env:"TANDEM_DEVICE_KEY" help:"${help_device_key}"`
	Node     string `placeholder:"URL" env:"TANDEM_DEVICE_NODE" help:"${help_device_node}"`
	Dir      string `placeholder:"DIR" env:"TANDEM_DEVICE_DIR" help:"${help_device_dir}"`
	Claim    string `placeholder:"CODE" env:"TANDEM_CLAIM" help:"${help_run_claim}"`
	Enrolling
	trust
	Code string `placeholder:"FILE" help:"Run this code instead of what the node deploys."`
	keep
	Hardware

	LogLevel string `placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"${help_log_level}"`
	LogJSON  bool   `kong:"-"` // lines are JSON; tandem device run has a flag for all commands
}

// Words returns the texts that the tags of Options refer to.
func Words() map[string]string {
	return map[string]string{
		"help_device_identity": "File with the lines ID=… and KEY=…, as tandem device add prints them, and perhaps NODE=…, " +
			"for what is given in no other way.",
		"help_device_id": "The device's id; by default that with which it enrolled.",
		"help_device_key": "The device's key. Other users of this machine can read a command line, but not the environment " +
			"and the file of --identity.",
		"help_device_node": "The node: tcp://HOST:PORT, tls://…, ws://… or wss://…; by default where the device enrolled, " +
			"or " + DefaultNode + ".",
		"help_device_dir": "Where the device keeps its code, state and identity; by default tandem-device-ID, " +
			"without an id " + DefaultDir + ".",
		"help_run_claim":    "Enrol with this claim code or ticket first, unless the device has.",
		"help_enrol_server": "The node's HTTP listener, such as https://node.example.com, unless the ticket names it.",
		"help_enrol_certificate": "Also get a certificate of the node's own authority when it enrols, for --node tls://… " +
			"or wss://…",
		"help_ca":          "Authorities for the node's certificate, in PEM, instead of those of the system.",
		"help_client_cert": "Client certificate chain in PEM, read again for each connection; needs --client-key.",
		"help_log_level":   "Log lines of at least this level: debug, info, warn or error (info).",
		"help_module": "Type of module whose pins and buses the device has, such as imp003; " +
			"by default those of every type.",
		"help_board": "What is connected to the simulated board: lines such as \"pin1 = 1\" or \"i2c89 0x90 00 = 1a 20\"; " +
			"\"wait 10 s\" between them and \"repeat\" at the end make values over time; " +
			"see the manual's page about hardware. It is read again when it is saved.",
	}
}

// Run runs the device until ctx ends. Lines for the operator go to w.
func (o *Options) Run(ctx context.Context, w io.Writer) error {
	r, hardware, err := o.build(ctx, w)
	if err != nil {
		return err
	}
	// Once it runs, the fields of r are its own.
	dir := r.Dir
	id := deviceIn(r)
	logger := r.Logger
	ctx, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer func() { end(); beside.Wait() }()
	beside.Go(func() { hardware.follow(ctx, logger) })
	beside.Go(func() { hardware.Play(ctx) })
	beside.Go(func() {
		// What is wrong with the directory, the device says itself.
		if err := hardware.Serve(ctx, dir, id); err != nil && !errors.As(err, new(*fs.PathError)) {
			logger.Error("tandem device set does not reach the board: " + err.Error())
		}
	})
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// deviceIn returns the id of a device, which may be known in its directory alone; "" if it is not.
func deviceIn(r *runner.Runner) tandem.DeviceID {
	if r.ID != "" {
		return r.ID
	}
	who, err := enrol.Load(r.Dir)
	if err != nil {
		return "" // the device says why
	}
	return who.Device
}

// Runner returns the device as the options say, whose lines go to w. With a claim code it enrols
// first, until ctx ends.
func (o *Options) Runner(ctx context.Context, w io.Writer) (*runner.Runner, error) {
	r, _, err := o.build(ctx, w)
	return r, err
}

func (o *Options) logHandler(w io.Writer, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if o.LogJSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// build returns the device and its board.
func (o *Options) build(ctx context.Context, w io.Writer) (*runner.Runner, *Wiring, error) {
	who, err := o.identity()
	if err != nil {
		return nil, nil, err
	}
	hardware, err := o.NewBoard()
	if err != nil {
		return nil, nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cmp.Or(o.LogLevel, "info"))); err != nil {
		return nil, nil, tandem.Errorf(tandem.Invalid, "--log-level %s: use debug, info, warn or error", o.LogLevel)
	}
	r := &runner.Runner{
		ID: who.id, Key: who.key, Dir: o.directory(who.id), Code: o.Code, Module: o.Module, Board: hardware.Simulated,
		Logger: slog.New(o.logHandler(w, level)),
	}
	if o.Claim != "" {
		if err := o.enrol(ctx, r.Dir, r.Logger); err != nil {
			return nil, nil, err
		}
	}
	if r.Addr, err = o.resolve(who, r.Dir); err != nil {
		return nil, nil, err
	}
	if r.TLS, err = o.config(r.Addr); err != nil {
		return nil, nil, err
	}
	return r, hardware, o.set(r)
}
