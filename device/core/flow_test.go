package core

import (
	"errors"
	"testing"
	"time"

	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// TestBacklog: 20,000 readings of a device that was offline go up in batches on a link of 200 ms each way,
// in order and each once, although the link is lost in the middle. One by one they would take minutes.
func TestBacklog(t *testing.T) {
	w := newWorld(t)
	w.server.batches = batches.Size
	w.net = "down"
	const count = 20_000
	w.install(`
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		text <- ""; for (local i = 0; i < 9; i++) text += "0123456789";
		n <- 0;
		function more() {
			for (local i = 0; i < 500 && n < 20000; i++) if (tandem.post("n", n + text) != 0) throw "full"; else n++;
			if (n < 20000) imp.wakeup(0.01, more);
		}
		more();`)
	w.cfg.JournalSize = 64 << 20
	w.on()
	w.pass(time.Minute)
	w.out.Reset()
	w.net, w.lag = "up", 200*time.Millisecond
	handled, last := 0, time.Duration(0)
	next := map[string]bool{}
	w.server.handle = func(m *agentView) {
		if m.topic != "agent/n" || next[m.payload] {
			return // it comes again after the loss
		}
		next[m.payload] = true
		if want := `"` + itoa(handled) + "0123456789"; m.payload[:len(want)] != want {
			t.Fatalf("%q comes after %d others", m.payload, handled)
		}
		if handled++; handled == 7000 {
			w.queue = append(w.queue, &Closed{w.server.number, errors.New("connection reset")})
			w.server.lose()
		}
		last = w.now.Mono
	}
	began := w.now.Mono
	w.pass(2 * time.Minute)
	// The first attempt comes after a pause of 22.5 s at most.
	if took := last - began; handled != count || took > 45*time.Second {
		t.Errorf("%d of %d have come, the last after %v", handled, count, took)
	}
	most := 0
	for _, n := range w.server.packed {
		most = max(most, n)
	}
	if most > maxBatch || most < maxBatch/2 {
		t.Errorf("the largest batch has %d bytes", most)
	}
}

// TestFlow: the window grows as long as acknowledgements come as fast as the link is, and shrinks when what
// is sent ahead only waits.
func TestFlow(t *testing.T) {
	f := flow{window: firstWindow}
	now, packet := time.Duration(0), uint16(0)
	// A link carries so many bytes a second, after a latency.
	carry := func(rate int, latency, length time.Duration) {
		busy := now
		type ack struct {
			packet uint16
			at     time.Duration
		}
		var acks []ack
		for end := now + length; now < end; {
			for n := f.room(false, maxParcels); n > 0; n = f.room(false, maxParcels) {
				packet++
				size := min(n, 8<<10)
				f.sent(parcel{packet, false, size, now})
				busy = max(busy, now) + time.Duration(size)*time.Second/time.Duration(rate)
				acks = append(acks, ack{packet, busy + 2*latency})
			}
			now = max(now, acks[0].at)
			f.acknowledged(acks[0].packet, now)
			acks = acks[1:]
		}
		for _, a := range acks {
			now = max(now, a.at)
			f.acknowledged(a.packet, now)
		}
	}
	carry(1<<20, 12*time.Second, 20*time.Minute)
	if f.window != mostWindow {
		t.Errorf("on a fast link of 12 s the window is %d", f.window)
	}
	f = flow{window: firstWindow}
	carry(1<<20, 100*time.Millisecond, time.Minute)
	carry(4<<10, 100*time.Millisecond, 10*time.Minute) // a radio link at its edge
	if f.window > 32<<10 {
		t.Errorf("on a link of 4 KB/s the window is %d", f.window)
	}
	if f.bytes != [2]int{} || f.count != [2]int{} || len(f.parcels) != 0 {
		t.Errorf("nothing waits: %+v", f)
	}
	if f.room(false, 1) == 0 || f.room(true, 1) == 0 {
		t.Error("a server that takes one message at a time gets none")
	}
}
