package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/identity"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/store/record"
)

// registrar is the server's side of a device's key: what the database has.
type registrar struct {
	t     *testing.T
	w     *world
	d     record.Device
	c     record.Credentials
	made  int                       // keys
	lost  func() bool               // whether a key is lost on its way
	shown []string                  // keys that the device has shown
	judge map[record.KeyVerdict]int // how often
}

func newRegistrar(t *testing.T, w *world) *registrar {
	d := record.Device{ID: testID, KeyHash: record.Hash("secret")}
	r := &registrar{t: t, w: w, d: d, judge: map[record.KeyVerdict]int{}}
	r.c.Device = testID
	w.server.login = r.login
	w.server.subscribed = r.handOver
	return r
}

func (r *registrar) rotate(deadline time.Time) { r.c.Begin(nil, deadline, r.w.now.Wall) }

func (r *registrar) login(key string) mqtt.Reason {
	r.shown = append(r.shown, key)
	v := r.c.Judge(r.d, key, r.w.now.Wall)
	r.judge[v]++
	switch v {
	case record.GoodKey:
		return mqtt.Success
	case record.NewKey:
		r.c.Use(&r.d, record.Hash(key), r.w.now.Wall)
		return mqtt.Success
	}
	return mqtt.NotAuthorized
}

// handOver gives a connected device its new key, if there is to be one.
func (r *registrar) handOver() {
	if r.c.Rotation != record.ByLink || r.w.server.session == nil {
		return
	}
	r.made++
	key := fmt.Sprintf("key number %06d", r.made)
	r.c.Hand(record.Hash(key), r.w.now.Wall)
	if r.lost == nil || !r.lost() {
		r.w.server.say("sys/key", []byte(`{"key":"`+key+`"}`))
	}
}

// pass lets time go by, and switches the device on again when the power goes.
func (r *registrar) pass(d time.Duration) {
	if r.w.pass(d); r.w.core == nil {
		r.w.on()
		r.w.pass(d)
	}
}

// settled checks that the device is connected with the only key that is good.
func (r *registrar) settled(what string) {
	r.t.Helper()
	r.pass(3 * time.Minute)
	// With one connection it gets the key, with the next it shows it.
	for range 2 {
		if r.c.Rotation == record.NoRotation {
			break
		}
		r.w.server.end(errors.New("connection reset"))
		r.w.settle()
		r.pass(3 * time.Minute)
	}
	if !r.w.core.linked() || r.c.Rotation != record.NoRotation || !r.d.HasKey(r.w.core.key()) {
		r.t.Fatalf("%s: linked %v, %+v, keys %v\n%s", what, r.w.core.linked(), r.c, r.w.core.keys(), r.w.out.String())
	}
}

func TestKeyRotation(t *testing.T) {
	w := newWorld(t)
	r := newRegistrar(t, w)
	w.on()
	r.rotate(time.Time{})
	w.slow = true
	r.handOver()
	w.settle()
	if strings.Contains(w.out.String(), "> ack sys/key") {
		t.Error("the new key is acknowledged before it is on disk")
	}
	w.slow = false
	w.finish(100)
	if !strings.Contains(w.out.String(), "> ack sys/key") || len(r.shown) != 1 {
		t.Errorf("the device has shown %v\n%s", r.shown, w.out.String())
	}
	r.settled("rotated")
	if last := r.shown[len(r.shown)-1]; last != "key number 000001" || len(w.core.keys()) != 2 {
		t.Errorf("the device shows %v", r.shown)
	}
	w.cutPower(nil) // the operator gives the key of before, as a unit of systemd does
	w.on()
	r.settled("switched on again")
	if r.judge[record.WrongKey] > 0 {
		t.Errorf("the device has shown %v", r.shown)
	}
	w.cutPower(nil)
	w.cfg.Key = "" // the files are enough
	w.on()
	r.settled("without the operator's key")
	w.cutPower(nil)
	w.cfg.ID = "fedcba9876543210"
	if _, err := New(w.cfg, w.disk.Contents()); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("another device in the directory: %v", err)
	}
}

// TestOperatorsKey: a key that the operator gives is found when the server does not know those of
// the files.
func TestOperatorsKey(t *testing.T) {
	w := newWorld(t)
	r := newRegistrar(t, w)
	kept := identity.Identity{Device: testID, Keys: []string{"of a file that", "was restored"}}
	for _, name := range identity.Files {
		w.disk.Install(name, encode(kept.Seal()))
	}
	w.on()
	r.settled("two keys of before")
	if want := []string{"of a file that", "was restored", "secret"}; !slices.Equal(r.shown, want) {
		t.Errorf("the device has shown %q", r.shown)
	}
	if w.now.Mono > 10*time.Minute {
		t.Errorf("it took %v", w.now.Mono)
	}
}

// TestDamagedIdentity: what is damaged is said, lived without, and made again.
func TestDamagedIdentity(t *testing.T) {
	for damaged, says := range map[int]string{1: "from the other", 2: "from the operator's key"} {
		w := newWorld(t)
		r := newRegistrar(t, w)
		for n, name := range identity.Files {
			w.disk.Install(name, encode(identity.Identity{Device: testID, Keys: []string{"secret"}}.Seal()))
			if n < damaged {
				w.disk.Install(name, []byte("{"))
			}
		}
		w.on()
		r.settled("damaged")
		mended := whole(w.disk.Data(identity.Files[0])) && whole(w.disk.Data(identity.Files[1]))
		if strings.Count(w.out.String(), says) != 1 || !mended {
			t.Errorf("%d damaged: %q\n%s", damaged, w.disk.Data(identity.Files[0]), w.out.String())
		}
		w.cutPower(nil)
		w.cfg.Key = ""
		w.on()
		r.settled("made again")
	}
	w := newWorld(t)
	w.cfg.Key = ""
	files := []File{{Name: identity.Files[0]}, {Name: identity.Files[1], Data: []byte("{}")}}
	_, err := New(w.cfg, Contents{Files: files})
	if err == nil || !strings.Contains(err.Error(), "tandem device claim add --device") {
		t.Errorf("without any key: %v", err)
	}
}

func TestRevoked(t *testing.T) {
	w := newWorld(t)
	r := newRegistrar(t, w)
	w.on()
	r.c.Revoke(&r.d, w.now.Wall)
	w.server.disconnect(mqtt.NotAuthorized, "")
	w.settle()
	w.pass(10 * time.Minute)
	if w.core.linked() || r.judge[record.RevokedKey] < 5 || r.judge[record.RevokedKey] > 60 {
		t.Errorf("linked %v, %v", w.core.linked(), r.judge)
	}
	if !strings.Contains(w.out.String(), "the server ends the connection: not authorized") {
		t.Error(w.out.String())
	}
}

// TestBadKeys: what cannot be a key is said, and changes nothing.
func TestBadKeys(t *testing.T) {
	w := newWorld(t)
	r := newRegistrar(t, w)
	w.on()
	long := `{"key":"` + strings.Repeat("x", 129) + `"}`
	for _, text := range []string{`{"key":"short"}`, `{}`, `[`, long, `{"key":7}`} {
		w.server.say("sys/key", []byte(text))
		w.settle()
	}
	if n := strings.Count(w.out.String(), "cannot parse the server's message"); n != 5 || len(w.core.keys()) != 1 {
		t.Errorf("%d are refused, the keys are %v", n, w.core.keys())
	}
	r.settled("bad keys")
}

// TestRotationCuts cuts the power before and after each operation of the disk during two
// rotations.
func TestRotationCuts(t *testing.T) {
	for op := 1; ; op++ {
		for _, goes := range []uint64{0, 1} { // done as far as possible, and not at all
			w := newWorld(t)
			r := newRegistrar(t, w)
			reached := false
			w.chance = func(n uint64) uint64 { return min(goes, n-1) }
			w.cut = func(n int) bool {
				reached = reached || n == op
				return n == op
			}
			for range 2 {
				if w.core == nil {
					w.on()
				}
				r.rotate(time.Time{})
				r.handOver()
				w.settle()
				if w.core != nil {
					w.server.end(errors.New("connection reset"))
					w.settle()
				}
				if w.core == nil {
					w.on()
				}
				if w.core == nil {
					w.on() // the cut was at the first operation
				}
				r.settled(fmt.Sprintf("operation %d, %d", op, goes))
			}
			if !reached {
				return
			}
		}
	}
}

// TestRotationAtRandom: whatever is lost, on the device's side or on the way, at whatever moment,
// a device is never locked out.
func TestRotationAtRandom(t *testing.T) {
	verdicts := map[record.KeyVerdict]int{}
	for seed := range uint64(400) {
		x := rand.New(rand.NewPCG(seed, 15))
		w := newWorld(t)
		r := newRegistrar(t, w)
		r.lost = func() bool { return x.IntN(3) == 0 }
		differ := false // the files do, since one could not be written
		for range 40 {
			if w.core == nil {
				w.on()
				continue
			}
			switch x.IntN(10) {
			case 0:
				r.rotate(time.Time{})
			case 1, 2:
				r.handOver()
				w.settle()
			case 3:
				w.server.end(errors.New("connection reset"))
				w.settle()
			case 4:
				after := w.ops + 1 + x.IntN(3)
				w.chance = x.Uint64N
				w.cut = func(n int) bool { return n == after }
			case 5:
				w.cutPower(nil)
			case 6:
				w.cutPower(nil)
				name := identity.Files[x.IntN(2)]
				if whole(w.disk.Data(identity.Files[0])) && whole(w.disk.Data(identity.Files[1])) && !differ {
					data := w.disk.Data(name)
					w.disk.Install(name, data[:x.IntN(len(data))])
				}
			case 7:
				w.fails = func(e Effect) error {
					if !isIdentity(e) || x.IntN(2) == 0 {
						return nil
					}
					differ = true
					return errors.New("input/output error")
				}
			default:
				w.pass(time.Duration(x.IntN(60)) * time.Second)
			}
		}
		w.cut, w.fails = nil, nil
		if w.core == nil {
			w.on()
		}
		r.lost = nil
		r.settled(fmt.Sprintf("seed %d", seed))
		for v, n := range r.judge {
			verdicts[v] += n
		}
	}
	for _, v := range []record.KeyVerdict{record.GoodKey, record.NewKey} {
		if verdicts[v] < 500 {
			t.Errorf("the verdicts are %v: is the test right?", verdicts)
		}
	}
}

func isIdentity(e Effect) bool {
	f, ok := e.(*WriteFile)
	return ok && slices.Contains(identity.Files[:], f.Name)
}

// TestUnkeptIdentity: while the files cannot be written, a device that gets a new key, or that has
// a damaged file, stays connected and takes messages. When they can be, it settles.
func TestUnkeptIdentity(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		for what, files := range map[string][]string{
			"the first": identity.Files[:1], "the copy": identity.Files[1:], "both": identity.Files[:],
		} {
			w := newWorld(t)
			w.install(`agent.on("ping", @(n) agent.send("pong", n));`)
			r := newRegistrar(t, w)
			if damaged {
				w.disk.Install(identity.Files[0], []byte("{"))
				w.disk.Install(identity.Files[1], encode(identity.Identity{Device: testID, Keys: []string{"secret"}}.Seal()))
			}
			w.fails = func(e Effect) error {
				if isIdentity(e) && slices.Contains(files, e.(*WriteFile).Name) {
					return errors.New("no space left on device")
				}
				return nil
			}
			w.on()
			r.rotate(time.Time{})
			r.handOver()
			w.settle()
			w.server.say("device/ping", []byte("1"))
			w.settle()
			r.pass(time.Minute)
			out := w.out.String()
			if len(r.shown) != 1 || !w.core.linked() || len(w.seenPayloads("agent/pong")) != 1 {
				t.Errorf("%s cannot be written: the device connects %d times\n%s", what, len(r.shown), out)
			}
			if strings.Count(out, "cannot keep the device's identity") == 0 {
				t.Errorf("%s cannot be written, and nothing is said\n%s", what, out)
			}
			w.fails = nil
			w.server.end(errors.New("connection reset"))
			r.settled(what + " can be written again")
			w.cutPower(nil)
			w.cfg.Key = ""
			w.on()
			r.settled(what + " was written again")
		}
	}
}

func whole(data []byte) bool {
	var s identity.Sealed
	return len(data) > 0 && json.Unmarshal(data, &s) == nil
}
