package rehearsal

import (
	"testing"
	"time"
)

// BenchmarkThermostat lets an hour pass for the thermostat.
func BenchmarkThermostat(b *testing.B) {
	pass(b, Config{Pair: example(b, "thermostat")}, time.Hour)
}

// BenchmarkIdle lets a day pass for a pair that sends a message a minute.
func BenchmarkIdle(b *testing.B) {
	p := compilePair(b, `device.on("n", function(n) { last <- n; });`, `
n <- 0;
function next() { imp.wakeup(60, next); agent.send("n", ++n); }
next();`)
	for name, after := range map[string]time.Duration{"hibernates": 0, "awake": 1000 * time.Hour} {
		b.Run(name, func(b *testing.B) { pass(b, Config{Pair: p, HibernateAfter: after}, 24*time.Hour) })
	}
}

// BenchmarkBusy lets a minute pass for a pair that sends 100 messages a second.
func BenchmarkBusy(b *testing.B) {
	p := compilePair(b, `device.on("n", function(n) { device.send("m", n); });`, `
n <- 0;
agent.on("m", function(m) { last <- m; });
function next() { imp.wakeup(0.02, next); agent.send("n", ++n); }
next();`)
	pass(b, Config{Pair: p}, time.Minute)
}

// pass lets time pass, and reports how much of it in a second.
func pass(b *testing.B, cfg Config, d time.Duration) {
	w := newWorld(b, cfg)
	for b.Loop() {
		w.Run(d)
	}
	b.ReportMetric(float64(w.Steps())/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(w.Now().Seconds()/b.Elapsed().Seconds(), "virtual/s")
}
