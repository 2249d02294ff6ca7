package device

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestModules: every type of module has a page, pins and buses, each name once, and
// AnyModule has all of them.
func TestModules(t *testing.T) {
	every := slotsOf(AnyModule)
	for _, name := range Modules() {
		if !KnownModule(name) {
			t.Errorf("%s: not known", name)
		}
		m := modules()[name]
		slots := slotsOf(name)
		for i, slot := range slots {
			switch {
			case i > 0 && slots[i-1] == slot:
				t.Errorf("%s: %s twice", name, slot)
			case !slices.Contains(every, slot):
				t.Errorf("%s of %s is missing from %s", slot, name, AnyModule)
			}
		}
		for _, class := range append([]string{"pin"}, busClasses...) {
			if len(m.names[class]) == 0 {
				t.Errorf("%s has no %s", name, class)
			}
		}
		if name != AnyModule && !strings.HasPrefix(m.page, docs) {
			t.Errorf("%s: the page is %q", name, m.page)
		}
		for _, mode := range slices.Sorted(maps.Keys(m.modes)) {
			for _, pin := range m.modes[mode] {
				if pin != "*" && !slices.Contains(m.names["pin"], pin) {
					t.Errorf("%s: pin %s has %s and does not exist", name, pin, mode)
				}
			}
		}
	}
	if KnownModule("imp999") {
		t.Error("imp999 is known")
	}
}

func slotsOf(module string) (names []string) {
	m := modules()[module]
	for _, p := range m.peripherals() {
		names = append(names, p.name)
	}
	return names
}

// TestBusPins: a bus whose name spells its pins is of pins that the module has.
func TestBusPins(t *testing.T) {
	for _, name := range Modules() {
		m := modules()[name]
		for _, class := range busClasses {
			for _, bus := range m.names[class] {
				for _, pin := range spelled(strings.TrimPrefix(bus, class)) {
					if name != AnyModule && !slices.Contains(m.names["pin"], pin) {
						t.Errorf("%s: %s needs pin %s", name, bus, pin)
					}
				}
			}
		}
	}
}

// spelled returns the pins in the name of a bus: spiXABCD is XA, XB, XC, XD. Buses with
// the number 0, 1 or 2 alone have pins of their own.
func spelled(s string) (pins []string) {
	if len(s) == 1 && strings.Contains("012", s) {
		return nil
	}
	group := ""
	if len(s) > 2 && (s[0] == 'X' || s[0] == 'Y') {
		group = s[:1]
		s = s[1:]
	}
	for _, pin := range strings.Split(s, "") {
		pins = append(pins, group+pin)
	}
	return pins
}

// TestModuleFiles: a file that says something else than a module's is refused.
func TestModuleFiles(t *testing.T) {
	for _, text := range []string{"pins", "pens 1 2", "environment moon", "DIGITAL_UP 1"} {
		if _, err := parseModule(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// TestPublicNames: device code found in public repositories uses these slots of hardware;
// a device has them, without a type of module and on the types that own them.
func TestPublicNames(t *testing.T) {
	every := slotsOf(AnyModule)
	datadriven.RunTest(t, "testdata/modules/public", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		for _, name := range strings.Fields(d.Input) {
			if !slices.Contains(every, name) {
				t.Errorf("hardware.%s is used by public code and not there", name)
			}
			out.WriteString(name + ": " + strings.Join(owners(name), " ") + "\n")
		}
		return out.String()
	})
}

// TestModulesDocument: docs/modules.md has a row for each type of module, with all that
// the module's file says.
func TestModulesDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/modules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Modules() {
		if name == AnyModule {
			continue
		}
		m := modules()[name]
		also := slices.DeleteFunc(slices.Clone(m.has), func(part string) bool { return part == "chipselect" })
		cells := []string{name}
		for _, list := range [][]string{m.names["pin"], m.names["uart"], m.names["i2c"], m.names["spi"], also} {
			cells = append(cells, strings.Join(list, " "))
		}
		row := "| " + strings.Join(cells, " | ") + " | [" + strings.TrimPrefix(m.page, docs) + "](" + m.page + ") |\n"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/modules.md lacks the row\n%s", row)
		}
	}
}
