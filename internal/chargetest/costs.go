package chargetest

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// MostFactor is how many times what was charged a call may cost.
const MostFactor = 5

// What a unit of fuel, 10 ns, pays for, beside what is charged for an instruction.
const (
	wordsPerUnit = 8  // of the arena, read or written
	bytesPerUnit = 32 // of Go memory outside of the arena
	unit         = 10 * time.Nanosecond
)

// Sample is what a call did.
type Sample struct {
	Units int64         // charged
	Words int64         // of the arena that were read or written, with the tag squirrelcheck
	Bytes int64         // of Go memory that was allocated outside of the arena, with that tag
	Time  time.Duration // by the clock
	Over  bool          // the machine cannot take another call
}

// counted is the cost of a call in units, by what was counted.
func (s Sample) counted() float64 {
	return float64(s.Words)/wordsPerUnit + float64(s.Bytes)/bytesPerUnit
}

// VM is what is needed of a squirrel.VM, whose tests cannot import a package that imports
// it.
type VM interface {
	FuelUsed() int64
	Work() (words, arena int64)
}

// Measure returns what run does with a machine.
func Measure(vm VM, run func()) (s Sample) {
	var before, after runtime.MemStats
	units := vm.FuelUsed()
	words, arena := vm.Work()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	run()
	s.Time = time.Since(begin)
	runtime.ReadMemStats(&after)
	wordsAfter, arenaAfter := vm.Work()
	s.Units = vm.FuelUsed() - units
	s.Words = wordsAfter - words
	if words > 0 {
		s.Bytes = int64(after.TotalAlloc-before.TotalAlloc) - (arenaAfter - arena)
	}
	return s
}

// Machine makes the calls of a script, by their number.
type Machine interface{ Call(i int) Sample }

// Maker returns a machine that has run a prelude and can make calls.
type Maker func(t testing.TB, prelude string, calls []string) Machine

// Native is a native function, and how it is called.
type Native struct {
	Call  string // as in a.find
	Check int    // as in squirrel.Native
	Mask  string
}

// Kind is a kind of data that calls are made with.
type Kind uint8

// The kinds of data.
const (
	Small  Kind = iota
	Large       // many elements
	Nested      // containers, delegates and classes hundreds deep
	Shared      // the same long strings again and again
	kinds
)

func (k Kind) String() string { return [...]string{"small", "large", "nested", "shared"}[k] }

// Prelude returns a script that defines what calls may use: s and z are strings, u and v
// long ones that are equal, a and n arrays, t and d tables, b a blob, f a function,
// C a class, i an instance, g a generator, w a weak reference.
func (k Kind) Prelude() string {
	const common = `
function text(n, c = "x") { local s = c; while (s.len() < n) s += s; return s.slice(0, n); }
f <- function(...) { return 1; };
g <- (function() { yield 1; })();
class Base { x = 1; constructor(...) {} function m(...) { return 1; } }
C <- Base;
t <- {}; d <- {}; a <- []; n <- [];
`
	const flat = `
s <- text(N); z <- text(N, "0"); p <- text(N, "%s"); b <- blob(N);
for (local k = 0; k < N; k++) { a.append(k); n.append("k" + (N - k)); t["k" + k] <- k; d[k] <- k; }
`
	const deep = `
s <- text(N, "(["); z <- text(N, "[["); p <- text(N, "%5.2f"); b <- blob(N);
local extend = function(B) { return class extends B { function m(...) { return base.m(); } }; };
for (local k = 0; k < N; k++) {
  a = [a]; n.append([n]); t = { x = t };
  d = {}.setdelegate(d);
  if (k < 200) C = extend(C);
}
`
	const shared = `
s <- text(40000, "long %s "); z <- text(40000, "0."); p <- text(400, "%s"); b <- blob(40000);
local twin = s.slice(0, 39000) + s.slice(39000);
for (local k = 0; k < N; k++) { a.append(k % 2 ? s : twin); n.append(s); t["k" + k] <- s; }
t[s] <- a; d[s] <- b; d.self <- a;
`
	const last = `
u <- text(N, "y") + "z"; v <- text(N, "y") + "z"; i <- C(); w <- a.weakref();
`
	body := [...]string{Small: "const N = 16;" + common + flat, Large: "const N = 4096;" + common + flat,
		Nested: "const N = 1000;" + common + deep, Shared: "const N = 2000;" + common + shared}
	return body[k] + last
}

// pool are the arguments that calls are tried with.
var pool = []string{
	"null", "0", "1", "-1", "7.5", "1e30", "2000000000", "true", "\"x\"", "s", "z", "p", "u", "a", "n", "t", "d", "b",
	"f", "C", "i", "g", "w", "[s, t, b]", "{ x = a, y = f }", "d.weakref()",
}

// usual is an argument for a letter of a type mask.
var usual = map[byte]string{
	'n': "1", 'i': "1", 'f': "1.5", 'b': "true", 's': "s", 't': "t", 'a': "a", 'c': "f", 'g': "g", 'y': "C", 'x': "b",
	'o': "null", 'r': "w", '.': "s",
}

// usualArg returns an argument for parameter i, counted from 1.
func (n Native) usualArg(i int) string {
	for mask := n.Mask; mask != ""; i-- {
		letter := mask[0]
		mask = mask[1:]
		for len(mask) >= 2 && mask[0] == '|' {
			mask = mask[2:]
		}
		if i == 0 {
			return usual[letter]
		}
	}
	return "s"
}

// with returns the call with so many arguments, of which other replaces one.
func (n Native) with(count int, other func(i int) string) string {
	args := make([]string, count)
	for i := range args {
		if args[i] = other(i + 1); args[i] == "" {
			args[i] = n.usualArg(i + 1)
		}
	}
	return n.Call + "(" + strings.Join(args, ", ") + ")"
}

// counts returns the numbers of arguments that the native is called with.
func (n Native) counts() []int {
	switch {
	case n.Check > 0:
		return []int{n.Check - 1, n.Check}
	case n.Check < 0:
		most := max(-n.Check+1, strings.Count(regexp.MustCompile(`\|.`).ReplaceAllString(n.Mask, ""), "")-2)
		all := []int{-n.Check - 1}
		for c := -n.Check; c <= most; c++ {
			all = append(all, c)
		}
		return all
	}
	return []int{0, 1, 2}
}

// walk returns calls of the native with every argument of the pool in every place.
func (n Native) walk() (calls []string) {
	for _, count := range n.counts() {
		calls = append(calls, n.with(count, func(int) string { return "" }))
		for at := 1; at <= count; at++ {
			for _, x := range pool {
				calls = append(calls, n.with(count, func(i int) string {
					if i == at {
						return x
					}
					return ""
				}))
			}
		}
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}

var printCosts = flag.Bool("costs", false, "print the cost table, by the clock")

// Costs makes every call that a walk over the natives finds, and those of the tables in
// files, with every kind of data, and compares what each did with what it was charged, if
// the build counts.
func Costs(t *testing.T, natives []Native, files []string, make Maker, counts bool) {
	if !counts && !*printCosts {
		t.Skip("this build does not count: make test runs it with the tag squirrelcheck, make costs by the clock")
	}
	c := costs{t: t, make: make}
	for k := range kinds {
		for _, n := range natives {
			c.run(k, n.walk())
		}
		for _, f := range files {
			c.run(k, callsIn(t, f))
		}
	}
	if *printCosts {
		c.print(len(natives))
	} else {
		t.Logf("%d natives, %d calls, at most %.1f x what was charged", len(natives), len(c.rows), c.most())
	}
}

// callsIn returns the calls in a table.
func callsIn(t *testing.T, file string) (calls []string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	input := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line == "----":
			input = false
		case strings.HasPrefix(line, "native ") || strings.HasPrefix(line, "op "):
			input = true
		case input && !strings.HasPrefix(line, "#"):
			calls = append(calls, line)
		}
	}
	return calls
}

type costs struct {
	t    *testing.T
	make Maker
	rows []row
}

// row is a call with a kind of data.
type row struct {
	kind Kind
	call string
	Sample
}

// entry is the time for beginning and ending a run, which is not the call's; calls end a
// machine once, by a panic.
func (r row) entry() time.Duration {
	if r.Over {
		return 10 * time.Microsecond
	}
	return time.Microsecond
}

// factor returns how many times what was charged the call took by the clock.
func (r row) factor() float64 {
	return float64(max(0, r.Time-r.entry())) / float64(max(1, r.Units)*int64(unit))
}

func (c *costs) run(k Kind, calls []string) {
	var m Machine
	for i, call := range calls {
		var best row
		for round := range tries {
			if m == nil {
				m = c.make(c.t, k.Prelude(), calls)
			}
			s := m.Call(i)
			if s.Over {
				m = nil
			}
			if r := (row{k, call, s}); round == 0 || r.less(best) {
				best = r
			}
			if !*printCosts && best.problem() == "" {
				break
			}
		}
		c.rows = append(c.rows, best)
		if problem := best.problem(); problem != "" {
			c.t.Errorf("%s data: %s: %s", k, call, problem)
		}
	}
}

// tries is the number of times that a call is made, of which the best counts: the test
// process may allocate in the meantime, and other processes take time.
const tries = 7

// less reports whether r did less for what it charged than x.
func (r row) less(x row) bool {
	if *printCosts {
		return r.factor() < x.factor()
	}
	return r.counted()/float64(max(1, r.Units)) < x.counted()/float64(max(1, x.Units))
}

// problem says why a call cost more than was charged, "" when it did not.
func (s Sample) problem() string {
	if s.counted() <= MostFactor*float64(s.Units) {
		return ""
	}
	return fmt.Sprintf("%d units for %d words and %d bytes, which is %.1f x as much", s.Units, s.Words, s.Bytes,
		s.counted()/float64(s.Units))
}

// most returns the highest factor of what was counted.
func (c *costs) most() (most float64) {
	for _, r := range c.rows {
		most = max(most, r.counted()/float64(max(1, r.Units)))
	}
	return most
}

func (c *costs) print(natives int) {
	slices.SortFunc(c.rows, func(a, b row) int {
		switch fa, fb := a.factor(), b.factor(); {
		case fa > fb:
			return -1
		case fa < fb:
			return 1
		}
		return 0
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d natives, %d calls\n\tfactor\ttime\tcharged\tdata\tcall\n", natives, len(c.rows))
	const shown = 60
	for _, r := range c.rows[:min(len(c.rows), shown)] {
		flag := ""
		if r.factor() > MostFactor {
			flag = "!"
		}
		fmt.Fprintf(w, "%s\t%.2f\t%v\t%v\t%v\t%.90s\n", flag, r.factor(), r.Time, time.Duration(r.Units)*unit, r.kind, r.call)
	}
	if err := w.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// Fuzz makes random calls of natives, with shared and nested arguments, and compares what
// each did with what it was charged.
func Fuzz(f *testing.F, natives []Native, make Maker, counts bool) {
	if !counts {
		f.Skip("this build does not count: use the tag squirrelcheck")
	}
	for i := range natives {
		f.Add([]byte{byte(i), byte(i), 1, 1, 1, 9, 4, 7, 5, 6, 3, 6, 2, 1, 12})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, call := randomCall(natives, data)
		problem := ""
		for range tries {
			if problem = make(t, kind.Prelude(), []string{call}).Call(0).problem(); problem == "" {
				return
			}
		}
		t.Errorf("%s data: %s: %s", kind, call, problem)
	})
}

// randomCall makes a call out of data: a native, a kind of data and arguments, some of
// them containers with several others.
func randomCall(natives []Native, data []byte) (kind Kind, call string) {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := int(data[0])
		if data = data[1:]; n > 256 && len(data) > 0 {
			b = b<<8 | int(data[0])
			data = data[1:]
		}
		return b % n
	}
	kind = Kind(next(int(kinds)))
	n := natives[next(len(natives))]
	var value func(depth int) string
	value = func(depth int) string {
		switch what := next(8); {
		case depth > 3 || what < 4:
			return pool[next(len(pool))]
		case what == 4:
			return "[" + value(depth+1) + ", " + value(depth+1) + "]"
		case what == 5:
			return "{ x = " + value(depth+1) + ", [" + value(depth+1) + "] = " + value(depth+1) + " }"
		case what == 6:
			return "array(" + []string{"3", "100", "5000"}[next(3)] + ", " + value(depth+1) + ")"
		}
		return "(\"\" + " + value(depth+1) + " + s)"
	}
	counts := n.counts()
	call = n.with(counts[next(len(counts))], func(int) string {
		if next(4) == 0 {
			return ""
		}
		return value(0)
	})
	return kind, call
}

// CallOf returns how a native with a name is called. A method is called on what receivers has
// for its class.
func CallOf(name string, receivers map[string]string) string {
	class, method, _ := strings.Cut(name, ".")
	if method == "" || receivers[class] == "" {
		return name
	}
	return receivers[class] + "." + method
}

// Rows returns code that appends a function for each call to the array rows.
func Rows(calls []string) string {
	var src strings.Builder
	for _, call := range calls {
		fmt.Fprintf(&src, "rows.append(function() { try { %s; } catch (e) {} });\n", call)
	}
	return src.String()
}
