package agent

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// BenchmarkEcho is the cost of a request to an agent that answers at once.
func BenchmarkEcho(b *testing.B) {
	w := newWorld(mustCompile(b, `http.onrequest(@(q, r) r.send(200, q.body));`))
	w.do(&Boot{})
	r := &tandem.Request{
		Method: "POST", Path: "/echo", Query: "", Proto: "https", From: "192.0.2.1", Body: []byte("hello"),
		Headers: map[string][]string{
			"Host": {"example.com"}, "User-Agent": {"curl/8"}, "Accept": {"*/*"},
			"Content-Length": {"5"}, "Content-Type": {"text/plain"},
		},
	}
	b.ReportAllocs()
	for i := range b.N {
		if effects := w.m.Step(w.now, &Request{uint64(i), r}); len(effects) != 1 {
			b.Fatal(effects)
		}
	}
}

// BenchmarkMessage is the cost of a message that is sent back.
func BenchmarkMessage(b *testing.B) {
	cfg := mustCompile(b, `device.on("reading", @(d) device.send("echo", d));`)
	cfg.Connected = true
	w := newWorld(cfg)
	w.do(&Boot{})
	ev := &DeviceMessage{tandem.Message{Name: "reading", Data: []byte(`{"temperature": 21.5, "heating": true, "n": 17}`)}}
	b.ReportAllocs()
	for range b.N {
		if effects := w.m.Step(w.now, ev); len(effects) != 1 {
			b.Fatal(effects)
		}
	}
}

// BenchmarkNew is the cost of a new incarnation.
func BenchmarkNew(b *testing.B) {
	cfg := mustCompile(b, `http.onrequest(@(q, r) r.send(200, q.body));`)
	b.ReportAllocs()
	for range b.N {
		w := newWorld(cfg)
		w.do(&Boot{})
	}
}

// BenchmarkMove is the cost of a snapshot and its restoring.
func BenchmarkMove(b *testing.B) {
	w := newWorld(mustCompile(b, restless))
	w.do(&Boot{})
	b.ReportAllocs()
	for range b.N {
		data, err := w.m.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Restore(w.cfg, data, w.now); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}
