package reference

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// walker logs a line for everything that can be reached from the root table:
// what it is, its path, and more.
const walker = `
local walk;
walk = function(path, t) {
    foreach (key, x in t) {
        local name = path + key;
        local kind = type(x);
        if (kind == "table") server.log("table " + name), walk(name + ".", x);
        else if (kind == "class") server.log("class " + name), walk(name + ".", x);
        else if (kind == "instance") server.log("instance " + name + " " + typeof x);
        else if (kind == "function") server.log("function " + name);
        else if (kind == "float") server.log("constant " + name + " " + format("%.7g", x));
        else if (kind == "string") server.log("constant " + name + " \"" + x + "\"");
        else server.log("constant " + name + " " + x);
    }
};
walk("", getroottable());
`

// running is what there is at run time on one side.
type running struct {
	side      tandem.Side
	reached   map[string]string // from the root table: path to what it is
	constants map[string]string
	natives   []string // all native functions, those of types and classes too
	classes   []string // all native classes
}

func walk(t *testing.T, side tandem.Side) *running {
	t.Helper()
	run := runAgent
	if side == tandem.DeviceSide {
		run = runDevice
	}
	o := run(t, walker)
	if fault := o.fault(walker, false); fault != "" {
		t.Fatal(fault)
	}
	r := &running{side: side, reached: map[string]string{}, constants: map[string]string{}}
	for _, line := range o.lines {
		what, rest, _ := strings.Cut(line, " ")
		name, value, _ := strings.Cut(rest, " ")
		r.reached[name] = what
		if what == "constant" {
			r.constants[name] = value
		}
		if what == "instance" {
			r.reached[name] = "instance of " + value
		}
	}
	r.natives, r.classes = manifest(t, o.snapshot)
	return r
}

// manifest reads the names of all native functions and classes, which a
// snapshot of a machine lists.
func manifest(t *testing.T, snapshot []byte) (natives, classes []string) {
	t.Helper()
	_, rest, ok := bytes.Cut(snapshot, []byte("tansqvm"))
	if !ok {
		t.Fatal("the snapshot has no VM")
	}
	rest = rest[5:] // the version, the checksum
	number := func() int {
		n := binary.LittleEndian.Uint32(rest)
		rest = rest[4:]
		return int(n)
	}
	list := func() (names []string) {
		for range number() {
			n := number()
			names = append(names, strings.Replace(string(rest[:n]), "::", ".", 1))
			rest = rest[n:]
		}
		return names
	}
	natives = list()
	return natives[1:], list() // number 0 is no function
}

// nameOf returns the name that the entry of a native has: constructing is the
// class's.
func nameOf(native string) string { return strings.TrimSuffix(native, ".constructor") }

func find(name string, side tandem.Side) (Entry, bool) {
	for _, e := range Entries() {
		if e.Name == name && e.On.Has(side) {
			return e, true
		}
	}
	return Entry{}, false
}

// TestEverythingIsThere compares the entries with what there is at run time, in
// both directions.
func TestEverythingIsThere(t *testing.T) {
	_, sidebar, _ := strings.Cut(string(Site()["index.html"]), "<nav")
	sidebar, _, _ = strings.Cut(sidebar, "</nav>")
	for _, side := range []tandem.Side{tandem.AgentSide, tandem.DeviceSide} {
		r := walk(t, side)
		if len(r.natives) < 200 || len(r.reached) < 100 {
			t.Fatalf("%v: only %d natives and %d reached", side, len(r.natives), len(r.reached))
		}
		documented := func(name, what string) {
			e, ok := find(name, side)
			if !ok {
				t.Errorf("%v: %s %s has no entry", side, what, name)
			} else if !strings.Contains(sidebar, `href="`+e.href()+`"`) {
				t.Errorf("%v: %s is not in the menu of the site", side, name)
			}
		}
		for _, n := range r.natives {
			if n == "hardware._get" {
				continue // no program can reach it: it explains what is missing
			}
			documented(nameOf(n), "function")
		}
		for _, c := range r.classes {
			documented(c, "class")
		}
		for _, name := range slices.Sorted(maps.Keys(r.reached)) {
			what := r.reached[name]
			if class, ok := strings.CutPrefix(what, "instance of "); ok {
				if class != "meta" { // typeof of pins and buses; their classes are in r.classes
					documented(class, what)
				}
				continue
			}
			inValue := func(e Entry) bool { return e.On.Has(side) && strings.HasPrefix(name, e.Name+".") }
			if what != "table" && !slices.ContainsFunc(values, inValue) {
				documented(nameOf(name), what)
			}
		}
		for _, e := range Entries() {
			if e.On.Has(side) {
				if fault := r.lacks(e); fault != "" {
					t.Errorf("%v: %s %s", side, e.Name, fault)
				}
			}
		}
	}
}

// lacks says what of an entry is not so at run time.
func (r *running) lacks(e Entry) string {
	isNative := slices.ContainsFunc(r.natives, func(n string) bool { return nameOf(n) == e.Name })
	switch e.Kind {
	case Function, Method:
		if !isNative {
			return "does not exist"
		}
	case Class:
		if !slices.Contains(r.classes, e.Name) || e.Callable != isNative {
			return "does not exist, or is not called as the entry says"
		}
	case Constant:
		if got, ok := r.constants[e.Name]; !ok || got != e.Value {
			return fmt.Sprintf("is %q, and not %q", got, e.Value)
		}
	case Value:
		if _, ok := r.reached[e.Name]; !ok {
			return "does not exist"
		}
	}
	return ""
}

func TestEntriesAreComplete(t *testing.T) {
	for i, e := range Entries() {
		if e.Name == "" || e.Object == "" || e.Kind == "" || e.On == 0 || e.Doc == "" || e.Source == "" || e.Example == "" {
			t.Errorf("%s: %+v", e.Name, e)
		}
		if strings.Count(e.Example, "\n") > 8 {
			t.Errorf("%s: the example has %d lines", e.Name, 1+strings.Count(e.Example, "\n"))
		}
		if i > 0 && (Entries()[i-1].Object > e.Object || Entries()[i-1].Object == e.Object && Entries()[i-1].Name > e.Name) {
			t.Errorf("%s is out of order", e.Name)
		}
	}
}

// TestLanguageTypes compares the documented parameters of the language's
// functions with the types that the machine checks.
func TestLanguageTypes(t *testing.T) {
	var src strings.Builder
	src.WriteString("class C {}\n" +
		"local values = { integer = 1, float = 1.5, [\"bool\"] = true, string = \"\", table = {}, array = [], " +
		"[\"function\"] = @() 1, [\"class\"] = C, instance = C(), generator = (function() { yield 1; })(), " +
		"blob = blob, regexp = regexp, math = math };\n" +
		"local keep = {}, w = keep.weakref();\n" +
		"local show = function(name, f) {\n local i = f.getinfos(), s = name + \" \" + i.paramscheck;\n" +
		" if (i.typecheck != null) foreach (m in i.typecheck) s += \" \" + m;\n server.log(s);\n};\n")
	functions := map[string]imp.Function{}
	for _, f := range language().Functions {
		object, name, ok := strings.Cut(f.Name, ".")
		if strings.HasPrefix(name, "_") {
			continue // a program cannot take hold of a metamethod
		}
		functions[f.Name] = f
		switch {
		case !ok && (f.Name == "blob" || f.Name == "regexp"):
			fmt.Fprintf(&src, "show(%q, %s.constructor);\n", f.Name, f.Name)
		case !ok:
			fmt.Fprintf(&src, "show(%q, ::%s);\n", f.Name, f.Name)
		case object == "weakref":
			fmt.Fprintf(&src, "show(%q, w.%s);\n", f.Name, name)
		default:
			fmt.Fprintf(&src, "show(%q, values[%q].%s);\n", f.Name, object, name)
		}
	}
	o := runAgent(t, src.String())
	if fault := o.fault("", false); fault != "" || len(o.lines) != len(functions) {
		t.Fatalf("%s; %d lines of %d", fault, len(o.lines), len(functions))
	}
	for _, line := range o.lines {
		words := strings.Fields(line)
		var numbers []int
		for _, w := range words[1:] {
			n := 0
			fmt.Sscan(w, &n)
			numbers = append(numbers, n)
		}
		if fault := differs(functions[words[0]], numbers[0], numbers[1:]); fault != "" {
			t.Errorf("%s: %s", words[0], fault)
		}
	}
}

// typeBits are those that getinfos shows.
var typeBits = map[byte]int{
	'o': 0x1, 'i': 0x2, 'f': 0x4, 'n': 0x6, 'b': 0x8, 's': 0x10, 't': 0x20, 'a': 0x40,
	'c': 0x300, 'g': 0x400, 'y': 0x4000, 'x': 0x8000, 'r': 0x10000, '.': -1,
}

// differs compares a documented function with what the machine checks: the
// number of parameters, and a bit set for each type.
func differs(f imp.Function, check int, types []int) string {
	want := 1
	for _, p := range f.Params {
		if p.Optional {
			want = -want
			break
		}
		want++
	}
	// A native that does not count its parameters leaves surplus ones alone, and
	// may throw by itself what it throws when there are too few.
	if check > 0 && check != want || check < 0 && -check > max(want, -want) {
		return fmt.Sprintf("the machine's count of parameters is %d, documented is %d", check, want)
	}
	for i, p := range f.Params {
		if i+1 >= len(types) || types[i+1] == -1 {
			continue
		}
		bits := 0
		mask := imp.Function{Name: "f", Params: []imp.Param{{Name: p.Name, Type: p.Type}}}.Native().Mask[1:]
		for _, letter := range []byte(strings.ReplaceAll(mask, "|", "")) {
			bits |= typeBits[letter]
		}
		if bits != types[i+1] {
			return fmt.Sprintf("parameter %s is %s (%#x), the machine checks for %#x", p.Name, p.Type, bits, types[i+1])
		}
	}
	return ""
}
