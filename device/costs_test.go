package device

import (
	"strconv"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/chargetest"
	"github.com/tandem-iot/tandem/squirrel"
)

// receivers are what the methods of native classes are called on.
var receivers = map[string]string{
	"pin": "pin", "i2c": "i2c", "spi": "spi", "uart": "uart", "InputPort": "input", "OutputPort": "output",
}

// costNatives returns the natives of device code as they are called.
func costNatives() (all []chargetest.Native) {
	for _, api := range API() {
		for _, f := range api.Functions {
			if !f.On.Has(tandem.DeviceSide) {
				continue
			}
			n := f.Native()
			call := chargetest.CallOf(f.Name, receivers)
			all = append(all, chargetest.Native{Call: call, Check: n.Check, Mask: n.Mask})
		}
	}
	return all
}

// costPrelude is what the calls may use beside the harness's prelude.
const costPrelude = `
timer <- imp.wakeup(3600, f);
hardware.spiflash.enable();
pin <- hardware.pin2; pin.configure(DIGITAL_OUT, 0);
i2c <- hardware.i2c12; i2c.configure(CLOCK_SPEED_100_KHZ);
spi <- hardware.spi257; spi.configure(0, 100);
uart <- hardware.uart57; uart.configure(9600, 8, PARITY_NONE, 1, 0);
input <- InputPort(); output <- OutputPort();
rows <- [];
agent.on("call", function(k) { rows[k](); });
`

// costMachine makes calls in a device.
type costMachine struct {
	m   *Machine
	now time.Time
}

func newCostMachine(t testing.TB, prelude string, calls []string) chargetest.Machine {
	src := prelude + costPrelude + chargetest.Rows(calls)
	program, err := imp.Compile(tandem.DeviceSide, []byte(src), nil)
	if err != nil {
		t.Fatalf("%v: %s", err, src)
	}
	m := New(Config{
		Program: program, Device: "0123456789abcdef", Board: board.New(), Flash: board.NewFlash(16 * sectorSize),
		Memory: 16 << 20, Budget: 10 * time.Second, Connected: true,
	}, epoch)
	m.Step(epoch, &Boot{})
	m.Step(epoch, &Changed{Bus: "uart57", Data: make([]byte, uartFIFO)})
	if m.Dead() {
		t.Fatalf("the prelude has failed: %s", src)
	}
	m.vm().Collect()
	return &costMachine{m, epoch}
}

func (m *costMachine) Call(i int) chargetest.Sample {
	ev := &AgentMessage{Message: tandem.Message{Name: "call", Format: tandem.FormatJSON, Data: []byte(strconv.Itoa(i))}}
	s := chargetest.Measure(m.m.vm(), func() { m.m.Step(m.now, ev) })
	s.Over = m.m.Dead() || m.m.Busy()
	return s
}

// TestCosts: no native does more than it charges for, whatever its arguments are.
func TestCosts(t *testing.T) {
	chargetest.Costs(t, costNatives(), []string{"testdata/charges/natives.txt"}, newCostMachine,
		squirrel.Counted)
}

func FuzzCharges(f *testing.F) { chargetest.Fuzz(f, costNatives(), newCostMachine, squirrel.Counted) }
