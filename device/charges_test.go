package device

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/chargetest"
)

// chargesPrelude is what the calls in testdata/charges/natives.txt may use. N is the size
// of the data.
const chargesPrelude = `
function text(n, c = "x") { local s = c; while (s.len() < n) s += s; return s.slice(0, n); }
f <- function(...) {};
s <- text(N);
timer <- imp.wakeup(3600, f);
hardware.spiflash.enable();
pin <- hardware.pin2; pin.configure(DIGITAL_OUT, 0);
i2c <- hardware.i2c12; i2c.configure(CLOCK_SPEED_100_KHZ);
spi <- hardware.spi257; spi.configure(0, 100);
uart <- hardware.uart57; uart.configure(9600, 8, PARITY_NONE, 1, 0);
pwm <- hardware.pin5; pwm.configure(PWM_OUT, 1, 0);
pulser <- hardware.pinA; pulser.configure(PTPG_OUT_ACTIVE_HIGH, hardware.pinB, 0, 0.001);
selected <- hardware.spi0; selected.configure(USE_CS_L, 100);
hardware.sampler.configure(hardware.pin7, 1000, [blob(20)], f);
hardware.fixedfrequencydac.configure(hardware.pin8, 1000, [blob(20)], f);
input <- InputPort(); output <- OutputPort();
imp.setsendbuffersize(100000);
imp.setuserconfiguration(s);
`

// chargedFuel returns the fuel of a call with data of a size.
func chargedFuel(t *testing.T, call string, size int) int64 {
	s := newStory(t)
	s.cfg.Connected, s.cfg.Budget = true, tandem.EventBudget
	out := s.start(fmt.Sprintf("const N = %d;\nagent.on(\"row\", function(_) { %s; });\n", size, call) + chargesPrelude)
	if s.m.Dead() {
		t.Fatalf("%s: %s", call, out)
	}
	s.step(&Changed{Bus: "uart57", Data: make([]byte, uartFIFO)})
	before := s.m.vm().FuelUsed()
	out = s.step(&AgentMessage{Message: tandem.Message{Name: "row", Data: []byte("1")}})
	if strings.Contains(out, "server.error") && !strings.HasPrefix(call, "server.error") &&
		!strings.HasPrefix(call, "server.factoryblinkup") {
		t.Fatalf("%s: %s", call, out)
	}
	return s.m.vm().FuelUsed() - before
}

// TestCharges: what each native that device code has costs.
func TestCharges(t *testing.T) {
	var natives []string
	for _, api := range API() {
		for _, f := range api.Functions {
			if f.On.Has(tandem.DeviceSide) {
				natives = append(natives, f.Name)
			}
		}
	}
	chargetest.Run(t, "testdata/charges/natives.txt", natives, chargedFuel)
}
