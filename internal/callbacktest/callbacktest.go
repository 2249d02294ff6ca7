// Package callbacktest gives calls that take a callback functions of every kind, and checks
// what the program is told when one of them cannot be called.
package callbacktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// Row is how a callback is given and called.
type Row struct {
	Code string // the program's statement that gives F, the callback
	// Args is the number of arguments with which the callback is called. Fewer are the
	// numbers that it may take instead, because the call looks at what it takes.
	Args  int
	Fewer []int
	// Run runs a program, has the callback called, and returns the lines of its log.
	Run func(t *testing.T, src string) []string
	// Anything says that the parameter may also be something else than a function.
	Anything bool
}

// All returns the parameters of a side's functions that take a callback: "imp.wakeup 2".
func All(side tandem.Side, parts ...imp.API) (all []string) {
	for _, part := range parts {
		for _, f := range part.Functions {
			for i, p := range f.Params {
				takes := p.Type == "function" || p.Type == "handler" || slices.Contains(strings.Split(p.Type, "|"), "c")
				if takes && f.On.Has(side) {
					all = append(all, fmt.Sprintf("%s %d", f.Name, i+1))
				}
			}
		}
	}
	return all
}

// Check tries all callbacks that there are, by the rows, which have the names of All.
// file is the name of the program in traces.
func Check(t *testing.T, file string, all []string, rows map[string]Row) {
	for _, name := range all {
		row, ok := rows[name]
		if !ok {
			t.Errorf("%s: a callback without a row: say how it is given and called", name)
			continue
		}
		call, _, _ := strings.Cut(name, " ")
		for _, v := range variants(row) {
			t.Run(name+" "+v.def, func(t *testing.T) { v.check(t, file, call, row) })
		}
	}
	for name := range rows {
		if !slices.Contains(all, name) {
			t.Errorf("%s: a row without a callback", name)
		}
	}
}

// variant is a callback, and what comes of it.
type variant struct {
	def   string // the first line of the program, which makes the callback f
	name  string // of the function in messages
	takes string // how many parameters, as the message says; "" when it is called
	typ   bool   // the call itself is refused, because of the type
}

func (v variant) check(t *testing.T, file, call string, row Row) {
	t.Helper()
	code := strings.ReplaceAll(row.Code, "F", "f")
	log := row.Run(t, v.def+"\nfunction give() {\n"+code+"\n}\ngive();\n")
	said := strings.Join(log, "\n")
	given := fmt.Sprintf("  at give %s:3", file)
	switch {
	case v.typ:
		if !strings.Contains(said, "parameter") || !slices.Contains(log, given) {
			t.Errorf("the type is not refused at its place:\n%s", said)
		}
		return
	case v.takes == "":
		if !slices.Contains(log, "called") || strings.Contains(said, "wrong number") {
			t.Errorf("it is not called:\n%s", said)
		}
		return
	}
	place := fmt.Sprintf(" (%s:1)", file)
	var trace []string
	if v.name == "strip" || v.name == "split" {
		place = ""
	} else {
		trace = []string{fmt.Sprintf("  at %s %s:1", v.name, file)}
	}
	arguments := "arguments"
	if row.Args == 1 {
		arguments = "argument"
	}
	name := v.name
	if name == "unknown" { // as traces have it
		name = "the function"
	}
	want := fmt.Sprintf("wrong number of parameters: %s (%s:3) calls %s%s with %d %s; it takes %s",
		call, file, name, place, row.Args, arguments, v.takes)
	i := slices.Index(log, want)
	if i < 0 || !slices.Equal(log[i+1:min(len(log), i+2+len(trace))], append(trace, given)) {
		t.Errorf("the log has not\n%s\n%s\nbut\n%s", want, strings.Join(append(trace, given), "\n"), said)
	}
}

// variants returns callbacks that can be called with the row's arguments, that cannot, and
// that are none.
func variants(row Row) (all []variant) {
	const body = ` { print("called"); }`
	n := row.Args
	for _, fits := range append([]int{n}, row.Fewer...) {
		all = append(all,
			variant{def: "function f(" + params(fits) + ")" + body},
			variant{def: "f <- function(" + params(fits) + ")" + body + ".bindenv({ a = 1 });"})
	}
	most := n
	for slices.Contains(row.Fewer, most-1) {
		most--
	}
	all = append(all,
		variant{def: "function f(" + list(params(n), "d = 0") + ")" + body},
		variant{def: "function f(...)" + body},
		variant{def: "function f(" + list(params(n), "...") + ")" + body},
		variant{def: "function f(" + params(n+1) + ")" + body, name: "f", takes: fmt.Sprint(n + 1)},
		variant{def: "f <- @(" + params(n+1) + ") null;", name: "unknown", takes: fmt.Sprint(n + 1)},
		variant{
			def: "function f(" + list(params(n+1), "d = 0") + ")" + body, name: "f",
			takes: fmt.Sprintf("%d to %d", n+1, n+2),
		},
		variant{
			def: "function f(" + list(params(n+1), "...") + ")" + body, name: "f",
			takes: fmt.Sprintf("at least %d", n+1),
		},
		variant{def: "function g(" + params(n+1) + ") {} f <- g.bindenv({ a = 1 });", name: "g", takes: fmt.Sprint(n + 1)},
	)
	if most > 0 {
		all = append(all,
			variant{def: "function f(" + params(most-1) + ")" + body, name: "f", takes: fmt.Sprint(most - 1)})
	}
	if most > 1 {
		all = append(all, variant{
			def: "function f(" + list(params(most-2), "d = 0") + ")" + body, name: "f",
			takes: fmt.Sprintf("%d to %d", most-2, most-1),
		})
	}
	if n != 1 && !slices.Contains(row.Fewer, 0) {
		all = append(all, variant{def: "f <- strip;", name: "strip", takes: "1"})
	}
	if row.Anything {
		return all
	}
	for _, other := range []string{"5", `"f"`, "{}", "[]", "true", "2.5", "blob(1)", "class { constructor() {} }"} {
		all = append(all, variant{def: "f <- " + other + ";", typ: true})
	}
	return all
}

// params returns n parameters.
func params(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("p%d", i))
	}
	return strings.Join(all, ", ")
}

// list returns parameters with one more.
func list(params, more string) string {
	if params == "" {
		return more
	}
	return params + ", " + more
}
