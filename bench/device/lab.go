package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
	"github.com/tandem-iot/tandem/internal/badlink"
	"github.com/tandem-iot/tandem/internal/child"
)

var (
	//go:embed program/agent.nut
	agentCode string
	//go:embed program/device.nut
	deviceCode string
)

const diskSize = 64 << 20 // bytes of the device's disk

// lab is a node and a device with the network between them, and with the disk of the device.
type lab struct {
	dir    string // of all files but the device's
	node   *node.Machine
	net    *badlink.Link
	endNet func() error
	volume *volume.Volume // nil: power cuts only kill
	url    string         // of the agent
	id     string         // of the device

	device  *exec.Cmd // nil: it is off
	ended   chan error
	read    chan struct{} // closed when its last line was heard
	witness witness
	life    int
	backup  string // an older copy of the device's directory; "" for none
}

func newLab(ctx context.Context, o options) (l *lab, err error) {
	l = &lab{life: 1}
	if l.dir, err = os.MkdirTemp("", "tandem-device-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	const program = "./cmd/tandem-device"
	build := exec.CommandContext(ctx, "go", "build", "-tags", "trial", "-o", l.file("tandem-device"), program)
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return l, fmt.Errorf("build tandem-device: %w\n%s", err, out)
	}
	if l.node, err = node.NewMachine(o.tandem, l.file("node"), l.file("node.log"), ""); err != nil {
		return l, err
	}
	if err := l.node.Up(ctx); err != nil {
		return l, err
	}
	if err := l.deploy(ctx); err != nil {
		return l, err
	}
	if o.disk {
		if l.volume, err = volume.New(ctx, diskSize, rand.New(rand.NewPCG(o.seed, 2))); err != nil {
			return l, err
		}
	}
	if err := os.MkdirAll(l.deviceDir(), 0o700); err != nil {
		return l, err
	}
	if err := l.startNet(); err != nil {
		return l, err
	}
	return l, errors.Join(l.setClock(0), l.startDevice())
}

// startNet makes the network between the device and the node.
func (l *lab) startNet() (err error) {
	if l.net, err = badlink.Listen(l.node.MQTT); err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.net.Run(ctx) }()
	l.endNet = func() error {
		end()
		return <-ended
	}
	return nil
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// deviceDir is the directory of the device.
func (l *lab) deviceDir() string {
	if l.volume != nil {
		return filepath.Join(l.volume.Dir, "device")
	}
	return l.file("device")
}

// deploy gives the node the pair's code and a device.
func (l *lab) deploy(ctx context.Context) error {
	err := l.node.Deploy(ctx, l.file("program"), map[string]string{"agent.nut": agentCode, "device.nut": deviceCode})
	if err != nil {
		return err
	}
	d, err := l.node.AddDevice(ctx, "kitchen")
	if err != nil {
		return err
	}
	l.url, l.id = d.URL, d.ID
	return os.WriteFile(l.file("identity"), []byte(d.Identity), 0o600)
}

// setClock makes the device's clock wrong by an offset.
func (l *lab) setClock(offset time.Duration) error {
	// The device reads it at any moment.
	err := os.WriteFile(l.file("clock.new"), []byte(offset.String()), 0o600)
	return errors.Join(err, os.Rename(l.file("clock.new"), l.file("clock")))
}

// startDevice switches the device on.
func (l *lab) startDevice() error {
	board := fmt.Sprintf("i2c89 0x90 00 = %02x %02x\n", l.life>>8, l.life&0xff)
	if err := os.WriteFile(l.file("board"), []byte(board), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(l.file("device.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	cmd := exec.Command(l.file("tandem-device"), "--identity", l.file("identity"), "--node", "tcp://"+l.net.Addr(),
		"--dir", l.deviceDir(), "--board", l.file("board"))
	cmd.Env = append(os.Environ(), "TANDEM_TRIAL_CLOCK="+l.file("clock"))
	cmd.Stderr = log
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout = w
	l.witness.awake(time.Now())
	l.ended, err = child.Start(cmd, syscall.SIGKILL)
	w.Close() // the process has its own descriptor
	if err != nil {
		r.Close()
		return err
	}
	l.device, l.read = cmd, make(chan struct{})
	go func(read chan struct{}) {
		defer close(read)
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			l.witness.hear(lines.Text(), time.Now())
		}
	}(l.read)
	return nil
}

// off switches the device off: what it has not flushed is lost. A trap that has sprung has done
// that already.
func (l *lab) off() error {
	if l.device == nil {
		return nil
	}
	kill := func() error { return l.device.Process.Kill() }
	wait := func() error {
		<-l.ended
		<-l.read
		return nil
	}
	cmd := l.device
	var err error
	if l.volume != nil {
		err = l.volume.Cut(kill, wait)
	} else {
		err = errors.Join(kill(), wait())
	}
	l.device = nil
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		err = errors.Join(err, fmt.Errorf("the device has ended: %v", cmd.ProcessState))
	}
	return err
}

// on switches the device on again.
func (l *lab) on(ctx context.Context) error {
	if l.volume != nil {
		if err := l.volume.Boot(ctx, false); err != nil {
			return err
		}
	}
	return l.startDevice()
}

// runs reports whether the device's process runs.
func (l *lab) runs() bool {
	if l.device == nil {
		return true // it is off
	}
	select {
	case err := <-l.ended:
		l.ended <- err
		return false
	default:
		return true
	}
}

// ask asks the agent for its state.
func (l *lab) ask(ctx context.Context) (s state, err error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	return s, client.GetJSON(ctx, http.DefaultClient, l.url, &s)
}

// logged returns the readings of which the device's log has lines, in the order of the log, as far as the node
// keeps it.
func (l *lab) logged(ctx context.Context) (list []place, err error) {
	out, err := child.Output(ctx, l.node.Binary, "log", l.id, "--data", l.node.Data, "--lines", "1000")
	if err != nil {
		return nil, err
	}
	for _, words := range logLine.FindAllStringSubmatch(out, -1) {
		var p place
		if _, err := fmt.Sscan(words[1], &p.Life, &p.Run, &p.N); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

var logLine = regexp.MustCompile(`(?m) reading (\d+ \d+ \d+)$`)

// keepLogs copies the logs and the device's directory.
func (l *lab) keepLogs(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"device.log", "node.log"} {
		data, err := os.ReadFile(l.file(name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	dir := filepath.Join(to, "device")
	return errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(l.deviceDir())))
}

// close stops everything and removes all files.
func (l *lab) close() error {
	var err error
	if l.device != nil {
		l.device.Process.Kill() // it may have ended
	}
	if l.volume != nil {
		err = l.volume.Cut(func() error { return nil }, l.waited)
		err = errors.Join(err, l.volume.Close())
	} else {
		err = l.waited()
	}
	if l.endNet != nil {
		err = errors.Join(err, l.endNet())
	}
	if l.node != nil {
		l.node.Kill()
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

func (l *lab) waited() error {
	if l.device != nil {
		l.ended <- <-l.ended
	}
	return nil
}
