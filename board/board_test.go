package board

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		name, mode string
		out        float64
		world      float64 // -1: nothing drives the pin
		want       float64
	}{
		{"unconfigured", "", 0, -1, 0},
		{"output low", "DIGITAL_OUT", 0, 1, 0},
		{"output high", "DIGITAL_OUT", 1, 0, 1},
		{"input floats", "DIGITAL_IN", 0, -1, 0},
		{"input driven", "DIGITAL_IN", 0, 1, 1},
		{"pull-up", "DIGITAL_IN_PULLUP", 0, -1, 1},
		{"pull-up driven low", "DIGITAL_IN_PULLUP", 0, 0, 0},
		{"pull-down", "DIGITAL_IN_PULLDOWN", 0, -1, 0},
		{"open drain pulls", "DIGITAL_OUT_OD", 0, 1, 0},
		{"open drain lets go", "DIGITAL_OUT_OD", 1, 1, 1},
		{"open drain pull-up", "DIGITAL_OUT_OD_PULLUP", 1, -1, 1},
		{"analog", "ANALOG_IN", 0, 0.25, 0.25},
		{"pwm", "PWM_OUT", 0.75, -1, 0.75},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New()
			if err := s.Setup("pin1", tc.mode, tc.out); err != nil {
				t.Fatal(err)
			}
			if tc.world >= 0 {
				s.Drive("pin1", tc.world)
			}
			if got := s.Read("pin1", now); got != tc.want {
				t.Errorf("level %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNotifyOnlyOnEdges(t *testing.T) {
	s := New()
	var seen []string
	s.Notify(func(c Change) { seen = append(seen, c.Pin+c.Bus+string(c.Data)) })
	s.Drive("pin1", 1) // not an input yet
	if err := s.Setup("pin1", "DIGITAL_IN_PULLUP", 0); err != nil {
		t.Fatal(err)
	}
	s.Drive("pin1", 1)
	s.Drive("pin1", 0)
	s.Drive("pin1", 0)
	s.Release("pin1")
	s.Feed("uart57", []byte("hi")) // waits for the UART to be configured
	if err := s.Setup("uart57", "UART", 0); err != nil {
		t.Fatal(err)
	}
	s.Feed("uart57", []byte("you"))
	s.Reset()
	s.Feed("uart57", []byte("later"))
	if want := []string{"pin1", "pin1", "uart57hi", "uart57you"}; !slices.Equal(seen, want) {
		t.Errorf("changes %q, want %q", seen, want)
	}
}

func TestTransfer(t *testing.T) {
	s := New()
	if _, err := s.Transfer("i2c89", 0x90, []byte{0}, 2); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("empty I2C bus: %v", err)
	}
	var r Registers
	r.Set(5, 0xaa, 0xbb)
	s.Attach("i2c89", 0x90, r.Transfer)
	got, err := s.Transfer("i2c89", 0x91, []byte{5}, 2)
	if err != nil || !slices.Equal(got, []byte{0xaa, 0xbb}) {
		t.Errorf("registers: % x, %v", got, err)
	}
	if _, err := s.Transfer("i2c89", 0x90, []byte{7, 1, 2}, 0); err != nil || r.Get(8) != 2 {
		t.Errorf("write: register 8 is %d, %v", r.Get(8), err)
	}
	got, err = s.Transfer("spi257", 0, []byte{1, 2}, 2)
	if err != nil || !slices.Equal(got, []byte{0xff, 0xff}) {
		t.Errorf("floating SPI: % x, %v", got, err)
	}
	s.Attach("spi257", 0, func(out []byte, in int) ([]byte, error) { return out[:1], nil })
	got, err = s.Transfer("spi257", 0, []byte{9, 2}, 2)
	if err != nil || !slices.Equal(got, []byte{9, 0}) {
		t.Errorf("short answer is padded: % x, %v", got, err)
	}
	if got := s.Sent("spi257"); !slices.Equal(got, []byte{1, 2, 9, 2}) {
		t.Errorf("sent % x", got)
	}
}

func TestCommand(t *testing.T) {
	s := New()
	var fed string
	s.Notify(func(c Change) { fed += string(c.Data) })
	if err := s.Setup("uart57", "UART", 0); err != nil {
		t.Fatal(err)
	}
	script := "# a comment\n\npin1 = 1\nvoltage = 2.9\ni2c89 0x90 00 = 1a 20\ni2c89 0x90 02 = 7f\nuart57 < say \"hi\"\\n\n"
	for line := range strings.Lines(script) {
		if err := s.Command(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	got, err := s.Transfer("i2c89", 0x90, []byte{0}, 3)
	if err != nil || !slices.Equal(got, []byte{0x1a, 0x20, 0x7f}) {
		t.Errorf("registers % x, %v", got, err)
	}
	if s.Read("pin1", now) != 1 || s.Read("voltage", now) != 2.9 || fed != "say \"hi\"\n" {
		t.Errorf("pin1 %v, voltage %v, fed %q", s.Read("pin1", now), s.Read("voltage", now), fed)
	}
	if err := s.Command("pin1 ="); err != nil || s.Read("pin1", now) != 0 {
		t.Errorf("pin1 is not let go: %v, %v", s.Read("pin1", now), err)
	}
	for _, bad := range []string{
		"pin1", "pin1 = high", "i2c89 0x1000 00 = 1", "i2c89 0x90 zz = 1", "i2c89 0x90 00 = xyz",
		"a b = 1", `uart57 < \q`, "uart57 ! snow", "pin1 = sine", "pin1 = sine x", "pin1 = square 0", "pin1 = square 1 2",
	} {
		if err := s.Command(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestWaves: a wave has its levels, and its edges are counted, whatever the time is.
func TestWaves(t *testing.T) {
	s := New()
	for _, line := range []string{"pin1 = square 1000", "pin2 = sine 50 0.2 0.8", "pin5 = sine 50 0.6 0.8"} {
		if err := s.Command(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		pin   string
		after time.Duration
		want  float64
	}{
		{"pin1", 0, 1},
		{"pin1", 400 * time.Microsecond, 1},
		{"pin1", 600 * time.Microsecond, 0},
		{"pin1", 1000 * time.Microsecond, 1},
		{"pin2", 0, 0.5},
		{"pin2", 5 * time.Millisecond, 0.8},
		{"pin2", 15 * time.Millisecond, 0.2},
	} {
		if got := s.Read(tc.pin, now.Add(tc.after)); got < tc.want-1e-6 || got > tc.want+1e-6 {
			t.Errorf("%s after %v: %v, want %v", tc.pin, tc.after, got, tc.want)
		}
	}
	counted := func(pin string, from, to time.Duration) (rising, falling int64) {
		r0, f0 := s.Edges(pin, now.Add(from))
		r1, f1 := s.Edges(pin, now.Add(to))
		return r1 - r0, f1 - f0
	}
	if r, f := counted("pin1", 0, time.Second); r != 1000 || f != 1000 {
		t.Errorf("1 kHz for a second: %d rising, %d falling", r, f)
	}
	if r, f := counted("pin1", 100*time.Microsecond, 700*time.Microsecond); r != 0 || f != 1 {
		t.Errorf("the second half of a period: %d rising, %d falling", r, f)
	}
	if r, f := counted("pin5", 0, time.Second); r != 0 || f != 0 {
		t.Errorf("a wave that stays high: %d rising, %d falling", r, f)
	}
	before, _ := s.Edges("pin9", now)
	s.Drive("pin9", 1)
	s.Drive("pin9", 1)
	s.Drive("pin9", 0)
	if r, f := s.Edges("pin9", now); r != before+1 || f != 1 {
		t.Errorf("driven up and down: %d rising, %d falling", r-before, f)
	}
}

// TestEdgesOfManyWaves: edges go on from where they were when a wave is replaced.
func TestEdgesOfManyWaves(t *testing.T) {
	s := New()
	wave := func(hertz float64) {
		if err := s.DriveWave("pin1", Wave{Square: true, Hertz: hertz, High: 1}); err != nil {
			t.Fatal(err)
		}
	}
	counted := func(after time.Duration) int64 {
		rising, _ := s.Edges("pin1", now.Add(after))
		return rising
	}
	wave(1000)
	before := counted(0)
	if got := counted(time.Second) - before; got != 1000 {
		t.Errorf("1 kHz for a second: %d", got)
	}
	wave(10)
	if got := counted(2*time.Second) - before; got != 1010 {
		t.Errorf("and 10 Hz for another: %d", got)
	}
	s.Drive("pin1", 1)
	s.Drive("pin1", 0)
	if got := counted(3*time.Second) - before; got < 1010 || got > 1012 {
		t.Errorf("and once by hand: %d", got)
	}
}

// TestDisturb: a fault reaches the UART without data.
func TestDisturb(t *testing.T) {
	s := New()
	var seen []Change
	s.Notify(func(c Change) { seen = append(seen, c) })
	if err := errors.Join(s.Setup("uart57", "UART", 0), s.Command("uart57 ! parity")); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0].Bus != "uart57" || seen[0].Fault != "parity" || seen[0].Data != nil {
		t.Errorf("seen %+v", seen)
	}
}

// TestPulse: a pulse generator is active between its delay and the end of its pulse after
// each edge of the trigger, and never when the next edge comes before the delay is over.
func TestPulse(t *testing.T) {
	const step = 100 * time.Microsecond
	for _, tc := range []struct {
		name          string
		mode          string
		delay, length time.Duration
		want          string // levels of the first 10 ms, one a step, of a trigger with an edge every 5 ms
	}{
		{"high", "PTPG_OUT_ACTIVE_HIGH", 3 * time.Millisecond, time.Millisecond,
			strings.Repeat(strings.Repeat("0", 30)+strings.Repeat("1", 10)+strings.Repeat("0", 10), 2)},
		{"low", "PTPG_OUT_ACTIVE_LOW", 0, 2 * time.Millisecond,
			strings.Repeat(strings.Repeat("0", 20)+strings.Repeat("1", 30), 2)},
		{"cut", "PTPG_OUT_ACTIVE_HIGH", 4 * time.Millisecond, time.Second,
			strings.Repeat(strings.Repeat("0", 40)+strings.Repeat("1", 10), 2)},
		{"never", "PTPG_OUT_ACTIVE_HIGH", 5 * time.Millisecond, time.Millisecond, strings.Repeat("0", 100)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New()
			if err := s.Command("pin8 = square 100"); err != nil {
				t.Fatal(err)
			}
			mode := tc.mode + " pin8 " + tc.length.String()
			if err := errors.Join(s.Setup("pin5", mode, 1), s.Write("pin5", tc.delay.Seconds())); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for i := range 100 {
				// In the middle of a step: a float64 does not meet its edge.
				fmt.Fprint(&got, s.Read("pin5", now.Add(time.Duration(i)*step+step/2)))
			}
			if got.String() != tc.want {
				t.Errorf("levels\n%s, want\n%s", &got, tc.want)
			}
			s.Release("pin8")
			rest := s.Read("pin5", now)
			if rest != 0 && tc.mode == "PTPG_OUT_ACTIVE_HIGH" || rest != 1 && tc.mode == "PTPG_OUT_ACTIVE_LOW" {
				t.Errorf("%v without a trigger", rest)
			}
		})
	}
}

// TestThermometerLines: what is wrong with a line about a thermometer is said.
func TestThermometerLines(t *testing.T) {
	s := New()
	for line, want := range map[string]string{
		"uart57 ds18b20 1 = 20": "", "uart57 ds18b20 1 = -300": "", "uart57 ds18b20 x = 1": "not the number",
		"uart57 ds18b20 99999 = 1": "not the number", "uart57 ds18b20 1 = warm": "not degrees",
		"uart57 ds18b20 1 = NaN": "not degrees", "i2c89 ds18b20 1 = 20": "at a UART",
	} {
		if err := s.Command(line); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
