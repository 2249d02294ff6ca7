package reference

import (
	"slices"
	"testing"

	"github.com/tandem-iot/tandem"
)

// logErrors are the names of entries whose examples log an error on purpose.
var logErrors = []string{"error", "server.error", "server.setpermanentvalues", "server.factoryblinkup"}

// TestExamples runs the example of every entry, on each side that has it.
func TestExamples(t *testing.T) {
	lives := map[tandem.Side]func(t testing.TB, src, data string) *outcome{
		tandem.AgentSide:  agentLife,
		tandem.DeviceSide: deviceLife,
	}
	for _, e := range Entries() {
		for side, life := range lives {
			if !e.On.Has(side) {
				continue
			}
			t.Run(e.Name+"/"+side.String(), func(t *testing.T) {
				var faults []string
				for _, data := range payloads {
					fault := life(t, e.Example, data).fault(e.Example, slices.Contains(logErrors, e.Name))
					if fault == "" {
						return
					}
					faults = append(faults, fault)
				}
				t.Errorf("%s\n\n%s", faults[0], e.Example)
			})
		}
	}
}
