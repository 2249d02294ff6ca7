// Command device lets a real device, the process tandem-device, live through power cuts, link
// cuts, clock steps and losses of its node, and compares what it has sent with what its agent
// has:
//
//	go run ./device -tandem ../bin/tandem -for 2h
//
// The device posts numbered readings all the time, every second one by an agent.send that is kept, and
// says on a wire of its board what is on its disk: each reading after the call has returned and a further
// event has come. It logs a line for every tenth, which is kept too. The agent counts them, saves the
// count, and gives orders back, which the device counts in its configuration. Whatever happens, each
// reading said must reach the agent, once and in order; lines must reach the log so, unless the node was
// killed meanwhile, whose log may lose or double a few; orders must reach the device once and in order; no
// timer and no count of milliseconds may follow the clock; and the device must never fall silent.
//
// Power cuts kill the process, and its disk loses in whole or part what was not flushed: ext4
// on a loop device on a disk that bench/volume makes. That needs root, Linux with FUSE and
// loop devices, and Debian's packages mount and e2fsprogs; without them, the process is
// killed only. Links are cut, reset, stalled and refused by a proxy. Clocks step by a minute up
// to some years, forwards and back, or to 1970, where a board without a battery begins: the device
// is built with the tag trial, which gives it a clock that steps. The node is killed too. With
// -lose the device also loses its directory, or gets an old copy of it, with an old configuration
// and with readings that the agent may have already.
//
// -seed decides what happens, but not the timing of the processes. A line comes with each
// reckoning; the last line is one JSON object. It ends with status 1 at the first fault.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
)

// options are the flags.
type options struct {
	tandem string
	length time.Duration
	seed   uint64
	disk   bool
	lose   bool
	kinds  []fault // that happen
	keep   string
}

// report is the last line.
type report struct {
	Seed     uint64         `json:"seed"`
	Seconds  int            `json:"seconds"`
	Disk     bool           `json:"disk"` // power cuts lose what was not flushed
	Faults   map[string]int `json:"faults"`
	Runs     int            `json:"runs"`     // of the device's code
	Readings int            `json:"readings"` // that the device has said
	Agent    int            `json:"agent"`    // that the agent has counted; it may have one more of each power cut
	Lates    int            `json:"lates"`    // that a restored directory had kept
	Lines    int            `json:"lines"`    // of the log that were looked for
	Orders   int            `json:"orders"`
	Full     int            `json:"full"` // posts that the device refused because too many waited
	Blocks   int            `json:"lost_blocks"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "device:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("device", flag.ContinueOnError)
	flags.StringVar(&o.tandem, "tandem", "../bin/tandem", "the tandem binary")
	flags.DurationVar(&o.length, "for", time.Minute, "how long")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of what happens")
	disk := flags.String("disk", "auto", "power cuts lose what was not flushed to the disk: yes, no, or auto if possible")
	flags.BoolVar(&o.lose, "lose", false, "also lose the device's directory, or bring back an old one")
	skip := flags.String("skip", "", "faults that do not happen, such as 'clock step,node lost'")
	flags.StringVar(&o.keep, "keep", "", "directory for the logs, when there is a fault")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.kinds, err = chosen(*skip); err != nil {
		return err
	}
	if o.length <= 0 || flags.NArg() > 0 {
		return errors.New("-for must be positive, and no other arguments are allowed")
	}
	if err := o.wantDisk(*disk); err != nil {
		return err
	}
	if o.tandem, err = filepath.Abs(o.tandem); err != nil {
		return err
	}
	fmt.Println("seed", o.seed)
	if err := o.trial(ctx); err != nil {
		return fmt.Errorf("seed %d: %w", o.seed, err)
	}
	return nil
}

// wantDisk decides whether the device has a disk that loses what was not flushed, and if so
// begins again with mounts of our own.
func (o *options) wantDisk(want string) error {
	err := volume.Needs()
	switch want {
	case "no":
		fmt.Println("power cuts only kill the process, as -disk says")
		return nil
	case "auto":
		if err != nil {
			fmt.Printf("power cuts only kill the process, which loses nothing that it has written: %v\n", err)
			return nil
		}
	case "yes":
	default:
		return fmt.Errorf("-disk is yes, no or auto, not %q", want)
	}
	o.disk = true
	return errors.Join(err, volume.Apart())
}

// trial runs the trial and writes its report.
func (o options) trial(ctx context.Context) (err error) {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && o.keep != "" {
			err = errors.Join(err, l.keepLogs(o.keep))
		}
		err = errors.Join(err, l.close())
	}()
	s := &story{lab: l, options: o, random: rand.New(rand.NewPCG(o.seed, 1)), began: time.Now(), faults: map[string]int{}}
	if err := s.run(ctx); err != nil {
		const form = "%w\nbefore: %s\nthe device's log:\n%s\nthe node's log:\n%s"
		return fmt.Errorf(form, err, s.recent(), node.Tail(l.file("device.log")), l.node.Tail())
	}
	line, err := json.Marshal(s.report())
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}
