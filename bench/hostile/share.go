package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/internal/child"
)

// role is the first argument of a process that attacks.
const role = "attack-as"

// ready is the line that it prints when it begins.
const ready = "ready"

// target is what an attacker knows.
type target struct {
	addresses
	Peer     addresses // of the other node of a cluster
	Secure   bool
	Culprit  pair
	Serve    string // where it may listen
	Key      string // the operator's, for one who is careless
	Database string // for peers
	Tandem   string // the binary
	Dir      string // for files
}

// host and path are the culprit's agent's.
func (t *target) host() string { h, _ := t.Culprit.address(); return h }
func (t *target) path() string { _, p := t.Culprit.address(); return p }
func (t *target) login() client.Login {
	return client.Login{ID: t.Culprit.ID, User: t.Culprit.ID, Password: t.Culprit.Key}
}

// dial connects from an address of the attacker's own: 127.0.x.y for the number, so that it
// is not the address of the quiet users.
func (t *target) dial(ctx context.Context, addr string, number int) (net.Conn, error) {
	from := net.IPv4(127, 0, byte(66+number>>8), byte(1+number&0x7f))
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: from}}
	return d.DialContext(ctx, "tcp", addr)
}

// fraction is the share of one processor that an attacker may use.
const fraction = 0.25

// share confines an attacker, and counts what it does.
type share struct {
	gate  sync.Mutex // held by the worker that waits for the share: waiting costs processor time, too
	begun time.Time
	done  atomic.Int64 // connections, requests or messages
	bad   atomic.Int64 // those that were refused
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// wait waits while the process has used more than its share. It reports whether to go on.
func (s *share) wait(ctx context.Context) bool {
	s.gate.Lock()
	defer s.gate.Unlock()
	for ctx.Err() == nil {
		due := time.Duration(float64(spent())/fraction) - time.Since(s.begun)
		if due <= 0 {
			return true
		}
		client.Pause(ctx, min(due, 20*time.Millisecond)) // ignore the error: the loop ends then
	}
	return false
}

// count counts an act.
func (s *share) count(err error) {
	if err != nil {
		s.bad.Add(1)
		return
	}
	s.done.Add(1)
}

// each makes n workers act, again and again.
func (s *share) each(ctx context.Context, n int, act func(worker int) error) error {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for s.wait(ctx) {
				err := act(i)
				if ctx.Err() != nil {
					return // it was ended
				}
				if s.count(err); err != nil {
					client.Pause(ctx, 5*time.Millisecond) // a refusal costs the attacker little; ignore the error, as above
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// used is what an attacker did.
type used struct {
	Done  int64   `json:"done"`
	Bad   int64   `json:"bad"`
	Share float64 `json:"share"` // of one processor
	Err   string  `json:"err,omitempty"`
}

// attackAs is the attacker's process.
func attackAs(ctx context.Context, name, about string) error {
	if err := confine(); err != nil {
		return err
	}
	var t target
	if err := json.Unmarshal([]byte(about), &t); err != nil {
		return err
	}
	rows, err := attacks()
	if err != nil {
		return err
	}
	for _, a := range rows {
		if a.name == name && a.load != nil {
			s := &share{begun: time.Now()}
			before := spent()
			fmt.Println(ready)
			err := a.load(ctx, &t, s)
			u := used{Done: s.done.Load(), Bad: s.bad.Load()}
			u.Share = (spent() - before).Seconds() / time.Since(s.begun).Seconds()
			if err != nil && ctx.Err() == nil {
				u.Err = err.Error()
			}
			return json.NewEncoder(os.Stdout).Encode(u)
		}
	}
	return fmt.Errorf("there is no attack %q", name)
}

// confine gives the process one processor, the last, and of that what all others leave. With a low
// priority alone it would run to the end of its slice, 3 ms, before others wake up, and that would
// be taken for what it does to the node.
func confine() error {
	runtime.GOMAXPROCS(1)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil {
		l.Cur = l.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // ignore the error: fewer connections then
	}
	var mine, last unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		return err
	}
	for cpu := range 1024 {
		if mine.IsSet(cpu) {
			last.Zero()
			last.Set(cpu)
		}
	}
	// Both hold for a thread, so all threads that there are get them, and later ones inherit them.
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var id int
		if _, err := fmt.Sscan(t.Name(), &id); err != nil {
			return err
		}
		idle := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := errors.Join(unix.SchedSetaffinity(id, &last), unix.SchedSetAttr(id, &idle, 0)); err != nil {
			return err
		}
	}
	return nil
}

// attacker is a running process that attacks.
type attacker struct {
	cmd   *exec.Cmd
	ended chan error
	out   *bufio.Reader
}

// launch starts the process of an attack, and waits until it attacks.
func launch(a attack, t *target) (*attacker, error) {
	about, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close() // the process has its own descriptor
	x := &attacker{cmd: exec.Command(self, role, a.name, string(about)), out: bufio.NewReader(out)}
	x.cmd.Stdout, x.cmd.Stderr = in, os.Stderr
	if x.ended, err = child.Start(x.cmd, syscall.SIGKILL); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	line, err := x.out.ReadString('\n')
	if err == nil && line != ready+"\n" {
		err = fmt.Errorf("the attacker began with %q", line)
	}
	return x, err
}

// stop ends the process and returns what it did.
func (x *attacker) stop() (u used) {
	x.cmd.Process.Signal(syscall.SIGTERM) // ignore the error: it may have ended
	force := time.AfterFunc(5*time.Second, func() { x.cmd.Process.Kill() })
	defer force.Stop()
	text, err := io.ReadAll(x.out) // until the process has ended
	<-x.ended
	if err := errors.Join(err, json.Unmarshal(text, &u)); err != nil {
		u.Err = fmt.Sprintf("the attacker ended with %q: %v", text, err)
	}
	return u
}
