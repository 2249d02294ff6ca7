package device

import (
	"maps"
	"slices"
	"strings"
)

// module lists the pins and buses of a type of module. Lists are separated by
// spaces; pins are without the word "pin".
type module struct {
	pins, i2c, spi, uart string
	environment          int // the result of imp.environment()
}

// Types of environment, for imp.environment().
const (
	environmentCard   = 0
	environmentModule = 1
)

// AnyModule is a device that has every pin and bus of every module, so that code
// written for any module loads. Drivers tell module types apart by imp.info and
// imp.environment and know only the vendor's types, so it reports imp001.
const AnyModule = "tandem"

const anyModuleType = "imp001"

// wakePins are the pins that can wake a module from deep sleep.
var wakePins = []string{"pin1", "pinW"}

// modules are the types of module that a device can have. The names of buses are
// those of the vendor's libraries and examples.
var modules = map[string]module{
	"imp001": {
		pins: "1 2 5 7 8 9",
		i2c:  "i2c12 i2c89", spi: "spi189 spi257", uart: "uart12 uart57 uart1289",
		environment: environmentCard,
	},
	"imp002": {
		pins: "1 2 5 6 7 8 9 A B C D E",
		i2c:  "i2c12 i2c89", spi: "spi189 spi257", uart: "uart12 uart57 uart6E uart1289",
		environment: environmentModule,
	},
	"imp003": {
		pins: "A B C D E F G H J K L M N P Q R S T U V W X Y",
		i2c:  "i2cAB i2cFG", spi: "spiEBCA spiLGDK", uart: "uartDM uartFG uartQRPW",
		environment: environmentModule,
	},
	"imp004m": {
		pins: "A B C D E F G H J K M N P Q R S T W",
		i2c:  "i2cFG i2cQP", spi: "spiAHSR", uart: "uartFG uartHJ uartFGJH",
		environment: environmentModule,
	},
	"imp005": {
		pins: "A B C D E F G H J K L M N P Q R S T U V W Y XA XB XC XD XE",
		i2c:  "i2c0 i2cJH", spi: "spi0 spiBCAD", uart: "uart0 uart1 uart2",
		environment: environmentModule,
	},
}

// laterModules has the pins and buses that the vendor's examples use on the
// modules imp006 and impC001, which are not in modules.
var laterModules = module{
	pins: "YG",
	i2c:  "i2cJK i2cKL i2cLM i2cXCD", spi: "spiYJTHU", uart: "uartABCD uartNU",
}

// Modules returns the known types of module.
func Modules() []string {
	return append(slices.Sorted(maps.Keys(modules)), AnyModule)
}

// KnownModule reports whether name is a known type of module.
func KnownModule(name string) bool {
	_, ok := lookupModule(name)
	return ok
}

// lookupModule returns a module by name. AnyModule has the pins and buses of all.
func lookupModule(name string) (module, bool) {
	if name != AnyModule {
		m, ok := modules[name]
		return m, ok
	}
	var all [4][]string
	for _, m := range append(slices.Collect(maps.Values(modules)), laterModules) {
		for i, list := range []string{m.pins, m.i2c, m.spi, m.uart} {
			all[i] = append(all[i], strings.Fields(list)...)
		}
	}
	var s [4]string
	for i, names := range all {
		slices.Sort(names)
		s[i] = strings.Join(slices.Compact(names), " ")
	}
	return module{pins: s[0], i2c: s[1], spi: s[2], uart: s[3], environment: modules[anyModuleType].environment}, true
}

// peripherals lists the slots of the global hardware that are peripherals, by
// native class. A peripheral's payload in the VM is its index here, so the list
// is sorted: every process must have the same order.
func (m module) peripherals() []peripheral {
	var out []peripheral
	for _, p := range strings.Fields(m.pins) {
		out = append(out, peripheral{"pin", "pin" + p})
	}
	for _, l := range []struct{ class, names string }{{"i2c", m.i2c}, {"spi", m.spi}, {"uart", m.uart}} {
		for _, n := range strings.Fields(l.names) {
			out = append(out, peripheral{l.class, n})
		}
	}
	slices.SortFunc(out, func(a, b peripheral) int { return strings.Compare(a.name, b.name) })
	return out
}

type peripheral struct{ class, name string }
