package device

import (
	"cmp"
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// module is a type of module, as its file in modules/ describes it.
type module struct {
	page        string              // of the vendor's documentation
	environment int                 // the result of imp.environment()
	network     []string            // kinds of network interface
	has         []string            // other slots of hardware, and features
	names       map[string][]string // of pins and buses, by native class; pins without the word "pin"
	modes       map[string][]string // pins with a special mode, by its name; "*" is every pin
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

// formerNames are names that public code uses and no page has any more. AnyModule
// has them too.
var formerNames = map[string][]string{"i2c": {"i2cXCD"}}

// parts are slots of hardware that only some modules have.
var parts = []string{"sampler", "fixedfrequencydac", "spiflash", "pwmpairKD"}

// busClasses are the native classes of buses.
var busClasses = []string{"i2c", "spi", "uart"}

//go:embed modules/*.txt
var moduleFiles embed.FS

// modules are the types of module that a device can have.
var modules = sync.OnceValue(func() map[string]module {
	all := map[string]module{}
	files, err := moduleFiles.ReadDir("modules")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, f := range files {
		text, err := moduleFiles.ReadFile("modules/" + f.Name())
		if err != nil {
			panic(err)
		}
		m, err := parseModule(string(text))
		if err != nil {
			panic(fmt.Sprintf("device: %s: %v", f.Name(), err))
		}
		all[strings.TrimSuffix(f.Name(), ".txt")] = m
	}
	all[AnyModule] = unite(all)
	return all
})

// parseModule reads a module's file: a word a line, and what it says after it.
func parseModule(text string) (module, error) {
	m := module{names: map[string][]string{}, modes: map[string][]string{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		switch key, rest := words[0], words[1:]; {
		case len(rest) == 0:
			return m, fmt.Errorf("%q says nothing", key)
		case key == "page":
			m.page = rest[0]
		case key == "environment" && rest[0] == "module":
			m.environment = environmentModule
		case key == "environment" && rest[0] == "card":
			m.environment = environmentCard
		case key == "network":
			m.network = rest
		case key == "has":
			m.has = rest
		case key == "pins":
			m.names["pin"] = append(m.names["pin"], rest...)
		case slices.Contains(busClasses, key):
			m.names[key] = append(m.names[key], rest...)
		case slices.Contains(modeNames[1:], key):
			m.modes[key] = rest
		default:
			return m, fmt.Errorf("%q has no meaning", strings.TrimSpace(line))
		}
	}
	return m, nil
}

// unite returns the module that has what any of all has.
func unite(all map[string]module) module {
	u := module{
		environment: all[anyModuleType].environment, network: all[anyModuleType].network,
		names: map[string][]string{}, modes: map[string][]string{},
	}
	add := func(list *[]string, more []string) {
		*list = append(*list, more...)
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	merge := func(into, from map[string][]string) {
		for _, key := range slices.Sorted(maps.Keys(from)) {
			list := into[key]
			add(&list, from[key])
			into[key] = list
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		add(&u.has, all[name].has)
		merge(u.names, all[name].names)
		merge(u.modes, all[name].modes)
	}
	merge(u.names, formerNames)
	// A program that is not told its module may use any pin for anything but waking.
	for key := range u.modes {
		if key != modeNames[modeDigitalInWakeup] {
			u.modes[key] = []string{"*"}
		}
	}
	return u
}

// Modules returns the known types of module.
func Modules() []string {
	names := slices.Sorted(maps.Keys(modules()))
	return append(slices.DeleteFunc(names, func(name string) bool { return name == AnyModule }), AnyModule)
}

// KnownModule reports whether name is a known type of module.
func KnownModule(name string) bool {
	_, ok := modules()[name]
	return ok
}

// HasSlot reports whether the board of a type of module has a pin or a bus with a name, or a
// sensor of its own. "" is AnyModule.
func HasSlot(typ, name string) bool {
	m := modules()[cmp.Or(typ, AnyModule)]
	pin, ok := strings.CutPrefix(name, "pin")
	if ok && slices.Contains(m.names["pin"], pin) || name == "voltage" || name == "lightlevel" {
		return true
	}
	return slices.ContainsFunc(busClasses, func(class string) bool { return slices.Contains(m.names[class], name) })
}

// can reports whether a pin has a mode. Modes that a module's file does not list for
// some module are those of every pin.
func (m *module) can(pin string, mode int) bool {
	if mode <= modeNone || mode >= len(modeNames) {
		return false
	}
	name := modeNames[mode]
	if _, special := modules()[AnyModule].modes[name]; !special {
		return true
	}
	pins := m.modes[name]
	return slices.Contains(pins, "*") || slices.Contains(pins, strings.TrimPrefix(pin, "pin"))
}

// peripherals lists the slots of the global hardware that are peripherals, by
// native class. A peripheral's payload in the VM is its index here, so the list
// is sorted: every process must have the same order.
func (m *module) peripherals() []peripheral {
	var out []peripheral
	for _, p := range m.names["pin"] {
		out = append(out, peripheral{"pin", "pin" + p})
	}
	for _, class := range busClasses {
		for _, n := range m.names[class] {
			out = append(out, peripheral{class, n})
		}
	}
	if slices.Contains(m.has, "pwmpairKD") {
		out = append(out, peripheral{pwmPair, "pwmpairKD"})
	}
	slices.SortFunc(out, func(a, b peripheral) int { return strings.Compare(a.name, b.name) })
	return out
}

type peripheral struct{ class, name string }

// owners returns the types of module that have a slot of hardware, but for AnyModule.
func owners(slot string) (names []string) {
	for _, name := range Modules() {
		m := modules()[name]
		has := slices.ContainsFunc(m.peripherals(), func(p peripheral) bool { return p.name == slot }) ||
			slices.Contains(parts, slot) && slices.Contains(m.has, slot)
		if has && name != AnyModule {
			names = append(names, name)
		}
	}
	return names
}
