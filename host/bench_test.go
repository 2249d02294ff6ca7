package host

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

const echoCode = `http.onrequest(@(q, r) r.send(200, q.body));`

func (w *world) echo(b *testing.B, i int) {
	r, err := w.host.Request(b.Context(), tandem.Origin{}, w.devices[i].Agent, &tandem.Request{Method: "POST", Path: "/", Body: []byte("hello")})
	if err != nil || r.Status != 200 {
		b.Fatal(r, err)
	}
}

func BenchmarkRequest(b *testing.B) {
	w := newWorld(b, echoCode, 1, nil)
	b.ReportAllocs()
	for b.Loop() {
		w.echo(b, 0)
	}
}

// BenchmarkColdStart is the first request to an agent that has never run: it
// includes the fsync that makes its incarnation durable.
func BenchmarkColdStart(b *testing.B) {
	w := newWorld(b, echoCode, b.N, nil)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		w.echo(b, i)
	}
}

// BenchmarkSave is a durable counter at many agents at a time.
func BenchmarkSave(b *testing.B) {
	const agents = 256
	w := newWorld(b, `n <- 0; http.onrequest(function(q, r) { server.save({ n = ++n }); r.send(200, ""); });`, agents, nil)
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i = (i + 1) % agents {
			w.echo(b, i)
		}
	})
}
