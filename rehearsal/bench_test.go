package rehearsal

import (
	"testing"
	"time"
)

// BenchmarkThermostat lets an hour pass for the thermostat.
func BenchmarkThermostat(b *testing.B) {
	p := example(b, "thermostat")
	w := newWorld(b, Config{Seed: 1, Pair: p})
	for b.Loop() {
		w.Run(time.Hour)
	}
	b.ReportMetric(float64(w.Steps())/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(w.Now().Seconds()/b.Elapsed().Seconds(), "virtual/s")
}
