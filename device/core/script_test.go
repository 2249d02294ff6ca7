package core

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/mqtt"
	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// TestScripts runs testdata/scripts: what a device does, told by its effects and by
// what the server sees, which begins with >. Rewrite with -rewrite, and read the
// difference before it is committed.
//
//	code                      Input is put on the disk as the device's code.
//	on, power-cut [undo]      Switched on; the power goes, and undo brings removed files back.
//	power-cycle, restart, offline, online, leave
//	pass 10s                  Time goes by.
//	wall 1h                   The wall clock is set, by so much.
//	net up|down|silent|reached  From the next attempt to connect.
//	lag 30s                   What is sent takes so long, each way.
//	addresses 10.0.0.2        Those that the device has now.
//	server refuse|accept|hold|release|stall|let-through|unstall|small|batches|reject TOPIC
//	say TOPIC post=1 after=0  The server sends input.
//	deploy, break, garbage, end taken|another
//	ack 2                     The server acknowledges what it holds.
//	disk slow|fast|fail, disk do 1, disk ls
//	drive PIN 1, read PIN, show clock
func TestScripts(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "scripts"), func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			if !runCommand(w, d) && !runServer(w, d) {
				d.Fatalf(t, "no such command")
			}
			w.settle()
			out := w.out.String()
			w.out.Reset()
			return out
		})
	})
}

// word is the n-th argument of a command, "" if there is none.
func word(d *datadriven.TestData, n int) string {
	if n >= len(d.CmdArgs) {
		return ""
	}
	return d.CmdArgs[n].Key
}

func number(d *datadriven.TestData, n int) int {
	k, err := strconv.Atoi(word(d, n))
	if err != nil {
		return 1
	}
	return k
}

func duration(t testing.TB, d *datadriven.TestData) time.Duration {
	v, err := time.ParseDuration(word(d, 0))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// runCommand does what concerns the device.
func runCommand(w *world, d *datadriven.TestData) bool {
	events := map[string]Event{
		"power-cycle": &PowerCycle{}, "restart": &Restart{}, "leave": &Leave{},
		"offline": &Offline{true}, "online": &Offline{false},
	}
	if ev := events[d.Cmd]; ev != nil {
		w.do(ev)
		return true
	}
	switch d.Cmd {
	case "code":
		w.install(d.Input)
	case "own-code":
		w.cfg.OwnCode, w.cfg.Code = true, d.Input
		w.own = d.Input
	case "own-code-lost":
		w.own = ""
	case "on":
		w.on()
	case "power-cut":
		w.chance = func(n uint64) uint64 { return n / 2 }
		if word(d, 0) == "undo" {
			w.chance = func(uint64) uint64 { return 0 }
		}
		w.cutPower(nil)
	case "pass":
		w.pass(duration(w.t, d))
	case "wall":
		w.now.Wall = w.now.Wall.Add(duration(w.t, d))
	case "net":
		w.net = word(d, 0)
	case "lag":
		w.lag = duration(w.t, d)
	case "addresses":
		ev := &Network{Addresses: []string{}}
		for _, a := range d.CmdArgs {
			ev.Addresses = append(ev.Addresses, a.Key)
		}
		w.do(ev)
	case "disk":
		runDisk(w, d)
	case "drive":
		w.board.Drive(word(d, 0), float64(number(d, 1)))
	case "show":
		w.server.clocks = true
	case "read":
		w.say("%s is %v", word(d, 0), w.board.Read(word(d, 0), w.now.Wall))
	default:
		return false
	}
	return true
}

func runDisk(w *world, d *datadriven.TestData) {
	switch word(d, 0) {
	case "slow":
		w.slow = true
	case "fast":
		w.slow = false
		w.finish(1 << 20)
	case "fail":
		w.fails = func(Effect) error {
			w.fails = nil
			return errors.New("input/output error")
		}
	case "do":
		w.finish(number(d, 1))
	case "ls":
		for _, name := range w.disk.Names() {
			w.say("%s", operationText(&WriteFile{Name: name, Data: w.disk.Data(name)}))
		}
	}
}

// runServer does what concerns the server.
func runServer(w *world, d *datadriven.TestData) bool {
	s := &w.server
	if s.session == nil && slices.Contains([]string{"say", "deploy", "end", "ack", "garbage"}, d.Cmd) {
		w.say("there is no connection")
		return true
	}
	switch d.Cmd {
	case "server":
		switch word(d, 0) {
		case "refuse":
			s.code = mqtt.BadCredentials
		case "accept":
			s.code = mqtt.Success
		case "hold":
			s.hold = true
		case "release":
			s.hold = false
			s.ack(1 << 20)
		case "stall":
			s.stall = true
		case "unstall":
			s.unstall()
		case "let-through":
			s.letThrough()
		case "reject":
			s.refuse = word(d, 1) // "subscriptions" is that to sys/#
		case "batches":
			if s.batches = batches.Size; word(d, 1) == "none" {
				s.batches = 0
			}
		case "time":
			s.subscribed = w.tellTime
		case "small":
			s.config.MaxPacketSize = 2000
		}
	case "ack":
		s.ack(number(d, 0))
	case "say":
		var user []string
		for _, a := range d.CmdArgs[1:] {
			user = append(user, a.Key, strings.Join(a.Vals, ","))
		}
		s.say(word(d, 0), []byte(d.Input), user...)
	case "deploy":
		s.say("sys/code", encode(codeOf(d.Input, nil)))
	case "garbage":
		w.queue = append(w.queue, &Received{s.number, []byte{0xff, 0}})
	case "break":
		s.end(errors.New("connection reset"))
	case "end":
		if word(d, 0) == "taken" {
			s.disconnect(mqtt.SessionTakenOver, "")
		} else {
			s.disconnect(mqtt.UseAnotherServer, word(d, 1))
		}
	default:
		return false
	}
	return true
}
