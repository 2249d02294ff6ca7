package reference

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestExamples runs the example of every entry, on each side that has it.
func TestExamples(t *testing.T) {
	for _, e := range Entries() {
		mayLogErrors := e.Name == "server.error" || e.Name == "error"
		for side, run := range map[tandem.Side]func(testing.TB, string) *outcome{tandem.AgentSide: runAgent, tandem.DeviceSide: runDevice} {
			if !e.On.Has(side) {
				continue
			}
			t.Run(e.Name+"/"+side.String(), func(t *testing.T) {
				if fault := run(t, e.Example).fault(e.Example, mayLogErrors); fault != "" {
					t.Errorf("%s\n\n%s", fault, e.Example)
				}
			})
		}
	}
}
