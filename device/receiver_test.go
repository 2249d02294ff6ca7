package device

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/imp"
)

// TestMethodsOfOthers: a method that is called on what it is not a method of
// throws, and does nothing.
func TestMethodsOfOthers(t *testing.T) {
	objects := map[string]string{
		"pin": "hardware.pin1", "i2c": "hardware.i2c89", "spi": "hardware.spi257", "uart": "hardware.uart57", "": "imp",
	}
	buses := "i2c spi uart"
	arguments := map[string]string{ // others: 1
		"string": `"x"`, "data": `"x"`, "c|n|o": "null", "handler": "null", "x|o": "null",
	}
	for _, f := range append(hardwareAPI.Functions, peripheralAPI.Functions...) {
		class, method, _ := strings.Cut(f.Name, ".")
		if objects[class] == "" || f.Fn == nil || isNothing(f) {
			continue
		}
		var args strings.Builder
		for _, p := range f.Params {
			arg, ok := arguments[p.Type]
			if !ok {
				arg = "1"
			}
			args.WriteString(", " + arg)
		}
		for other, object := range objects {
			if other == class || method == "disable" && strings.Contains(buses, other) && other != "" {
				continue
			}
			if method == "configure" && class != "pin" && class != "uart" && other != "" && strings.Contains(buses, other) {
				continue // one native serves i2c and spi
			}
			s := newStory(t)
			s.cfg.Connected = true
			call := objects[class] + "." + method + ".call(" + object + args.String() + ");"
			out := s.start("try { " + call + " print(\"taken\"); } catch (e) print(e);")
			if !strings.Contains(out, "this is not a ") {
				t.Errorf("%s called on %s: %s", f.Name, object, out)
			}
		}
	}
}

// isNothing reports whether a function does nothing on any receiver.
func isNothing(f imp.Function) bool {
	return f.Name == "uart.flush" || strings.HasPrefix(f.Name, "hardware.")
}
