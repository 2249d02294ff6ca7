package imp

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// TestDateMicroseconds: date has microseconds on agents, and none on devices
// (https://developer.electricimp.com/node/2324).
func TestDateMicroseconds(t *testing.T) {
	for side, want := range map[tandem.Side]string{tandem.AgentSide: "250000 2009", tandem.DeviceSide: "0 2009"} {
		p, err := Compile(side, []byte(`print(date().usec + " " + date().year);`), nil)
		if err != nil {
			t.Fatal(err)
		}
		vm := squirrel.New(Library("dates", side), 1<<20)
		vm.SetClock(func() (int64, int64) { return 1234567890, 250000 })
		var out strings.Builder
		vm.SetOutput(func(b []byte, _ bool) { out.Write(b) })
		vm.Start(vm.Load(p), vm.Root())
		if s := vm.Run(1 << 30); s != squirrel.Done || out.String() != want {
			t.Errorf("%v: %s, status %d, not %s", side, out.String(), s, want)
		}
	}
}
