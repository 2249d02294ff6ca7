// Command link measures the device link on slow and lossy networks, with the real node:
//
//	go run ./link -tandem ../bin/tandem
//	go run ./link -tandem ../bin/tandem -short
//	go run ./link -tandem ../bin/tandem -backlog 50000 -latency 200ms -loss 5
//
// The cases are all latencies with all losses, on TCP, TLS and WebSocket with and without TLS, for a
// plain client of MQTT 3.1.1, one of MQTT 5, and our own runtime. In each a device connects, is answered by
// its agent, sends 300 messages of 100 bytes (60 from 10 s on), and then does nothing for ten minutes; a
// row says whether all that went well, when the first message came, and at which rate the others did. A plain
// client has the TCP of its system, which repeats a lost packet after two minutes on a link of 30 s; with a
// loss of 20 % it takes up to half an hour for the dozen packets that it waits for. All cases run beside each
// other, so the whole takes an hour. After that the network of a device goes and comes: it must not take
// seconds until the device notices.
//
// Of a case that went wrong the last line has the story: what became of the connections, and who ended them.
//
// The network is a pair of TUN devices in two network namespaces, between which a process hands on the
// packets, or loses them, each on its own and in both directions. So TCP is the kernel's own on both
// sides. It needs root and Linux, but no netem.
//
// With -short there are a few cases without a long wait, and times do not count. With -backlog a device of
// our own runtime has kept so many readings of 100 bytes, and gets a link: the time until the agent has
// all of them, none lost, none twice, in order. -random makes them incompressible.
//
// It prints a table in Markdown, and as its last line the same as a JSON object. A case that
// goes wrong is an error.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/internal/child"
)

// options are the flags.
type options struct {
	role, binary, dir string
	latency, loss     string
	transports        string
	clients           string
	congestion        string
	idle, patience    time.Duration
	short             bool
	backlog           int
	random            bool
	seed              uint64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "link:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("link", flag.ContinueOnError)
	flags.StringVar(&o.role, "role", "", "of a process that this command starts itself")
	flags.StringVar(&o.dir, "dir", "", "its directory")
	flags.StringVar(&o.binary, "tandem", "../bin/tandem", "the tandem binary")
	flags.StringVar(&o.latency, "latency", "0s,200ms,2s,12s,30s", "latencies, each way")
	flags.StringVar(&o.loss, "loss", "0,5,20", "losses in percent, each way")
	flags.StringVar(&o.transports, "transports", "tcp,tls,ws,wss", "transports")
	flags.StringVar(&o.clients, "clients", "v3.1.1,v5,runner", "kinds of clients")
	flags.DurationVar(&o.idle, "idle", 10*time.Minute, "how long a device does nothing")
	flags.DurationVar(&o.patience, "patience", 40*time.Minute, "how long a device may take for the rest")
	flags.BoolVar(&o.short, "short", false, "a few cases; times do not count")
	flags.IntVar(&o.backlog, "backlog", 0, "readings that a device has kept, instead of the matrix")
	flags.BoolVar(&o.random, "random", false, "readings that cannot be compressed")
	flags.StringVar(&o.congestion, "congestion", "reno", "congestion control of TCP on both sides, such as reno or bbr")
	flags.Uint64Var(&o.seed, "seed", 1, "which packets are lost")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("no other arguments are allowed")
	}
	if o.short {
		o.latency, o.loss = "200ms,1s", "5"
		o.idle = time.Second
	}
	switch o.role {
	case "nodes":
		return serve(ctx, o)
	case "devices":
		return measure(ctx, o)
	}
	return o.start(ctx, args)
}

// networks are the networks of the matrix.
func (o *options) networks() (list []network) {
	for _, latency := range strings.Split(o.latency, ",") {
		for _, loss := range strings.Split(o.loss, ",") {
			l, err := time.ParseDuration(latency)
			p := 0.0
			if _, err2 := fmt.Sscan(loss, &p); err != nil || err2 != nil {
				continue // start has looked
			}
			list = append(list, network{l, p / 100})
		}
	}
	return list
}

// cells are the cases.
func (o *options) cells() (list []*cell) {
	for i, n := range o.networks() {
		for _, t := range strings.Split(o.transports, ",") {
			for _, c := range strings.Split(o.clients, ",") {
				list = append(list, &cell{
					Latency: n.Latency.String(), Loss: n.Loss, Transport: t, Client: c,
					net: i, pair: len(list), bulk: n.bulk(),
				})
			}
		}
	}
	return list
}

// start starts the processes in their namespaces, first that of the nodes.
func (o *options) start(ctx context.Context, args []string) (err error) {
	if len(o.cells()) != len(strings.Split(o.latency, ","))*len(strings.Split(o.loss, ","))*
		len(strings.Split(o.transports, ","))*len(strings.Split(o.clients, ",")) {
		return errors.New("-latency are durations such as 200ms,30s and -loss are percents such as 0,5")
	}
	for _, c := range o.cells() {
		if clients[c.Client] == nil || c.url() == "" {
			return fmt.Errorf("%s over %s: clients are v3.1.1, v5 and runner, transports tcp, tls, ws and wss",
				c.Client, c.Transport)
		}
	}
	dir, err := os.MkdirTemp("", "link")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	args = append(slices.Clone(args), "-dir", dir, "-tandem", binary)
	near, far, err := sockets()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	nodes, nodesEnd, err := o.process(far, append(args, "-role", "nodes"))
	if err != nil {
		return err
	}
	defer func() {
		nodes.stop()
		err = errors.Join(err, <-nodesEnd)
	}()
	if err := nodes.ready(); err != nil {
		return err
	}
	devices, devicesEnd, err := o.process(near, append(args, "-role", "devices"))
	if err != nil {
		return err
	}
	go devices.copyOut()
	select {
	case err := <-devicesEnd:
		return err
	case err := <-nodesEnd:
		nodesEnd <- err
		return errors.Join(errors.New("the nodes have ended"), err)
	case <-ctx.Done():
		devices.stop()
		return errors.Join(ctx.Err(), <-devicesEnd)
	}
}

// process is a process in a namespace.
type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func (o *options) process(peer *os.File, args []string) (*process, chan error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	cmd.ExtraFiles = []*os.File{peer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	ended, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, nil, fmt.Errorf("a network namespace needs root: %w", err)
	}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 16<<20)
	return &process{cmd, scanner}, ended, nil
}

// ready waits until the process says that it is.
func (p *process) ready() error {
	if p.out.Scan() && p.out.Text() == "ready" {
		return nil
	}
	return errors.New("the nodes do not start")
}

func (p *process) copyOut() {
	for p.out.Scan() {
		fmt.Println(p.out.Text())
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
}

// report is the last line.
type report struct {
	Cells  []result `json:"cells"`
	Bad    int      `json:"bad"`
	Change change   `json:"change"`
}

func (r *report) print(o *options) error {
	fmt.Println("| latency, each way | loss, each way | transport | client | first message after |" +
		" messages a second | idle | disconnections | |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, c := range r.Cells {
		if !c.good() {
			r.Bad++
		}
		word := map[bool]string{true: "stays", false: "**no**"}[c.Stays && c.After]
		fmt.Printf("| %s | %.0f %% | %s | %s | %.1f s | %.1f | %s | %d | %s |\n", c.Latency, 100*c.Loss, c.Transport,
			c.Client, c.First, c.Rate, word, c.Lost, c.Problem)
	}
	fmt.Printf("\nA device connects %.1f s after its network came up, leaves a connection %.1f s after\n"+
		"its address was lost, and connects %.1f s after it has another.\n\n", r.Change.Up, r.Change.Gone, r.Change.Back)
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	if r.Bad > 0 {
		return fmt.Errorf("%d of %d cases go wrong", r.Bad, len(r.Cells))
	}
	return nil
}
