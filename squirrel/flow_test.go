package squirrel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// The tests of this file run statements in two ways: as a program, and by an
// interpreter of a few lines that follows the tree of the statements.

// flow is a statement: a construct around others, or a leaf that shows its
// count and may leave.
type flow struct {
	kind string // see flowSource
	when int    // the count at which a leaf leaves
	body []*flow
}

// flowSource has the text of each construct, with %s for its body.
var flowSource = map[string]string{
	"while":    "{ local i = 0; while (i++ < 3) { %s } }",
	"do":       "{ local i = 0; do { %s } while (++i < 3); }",
	"for":      "for (local i = 0; i < 3; i++) { %s }",
	"foreach":  "foreach (i in [5, 6, 7]) { %s }",
	"yielded":  "foreach (i in (function() { yield 1; yield 2; yield 3; })()) { %s }",
	"case":     "switch (1) { case 0: show(90); case 1: %s\n case 2: show(91); break; default: show(92); }",
	"default":  "switch (7) { case 1: show(93); break; default: %s }",
	"if":       "if (n >= 0) { %s } else show(94);",
	"else":     "if (n < 0) show(94); else { %s }",
	"try":      "try { %s } catch (e) { show(e); }",
	"catch":    "try { throw 95; } catch (e) { show(e); %s }",
	"captured": "{ local a = n; kept.append(@() a); %s kept.append(@() a); }",
}

const flowPrelude = "n <- 0; kept <- []; function show(x) { print(x + \" \"); }\n"

func (f *flow) source() string {
	switch f.kind {
	case "break", "continue":
		return fmt.Sprintf("show(n); if (n++ == %d) %s;\n", f.when, f.kind)
	case "throw":
		return fmt.Sprintf("show(n); if (n++ == %d) throw 96;\n", f.when)
	}
	var body strings.Builder
	for _, b := range f.body {
		body.WriteString(b.source())
	}
	return fmt.Sprintf(flowSource[f.kind], body.String()) + "\n"
}

// follower is the interpreter.
type follower struct {
	out  strings.Builder
	n    int
	kept []int
}

func (w *follower) show(x int) { fmt.Fprintf(&w.out, "%d ", x) }

// all follows statements until one leaves. It returns how: "" is by the end.
func (w *follower) all(list []*flow) string {
	for _, f := range list {
		if how := w.follow(f); how != "" {
			return how
		}
	}
	return ""
}

func (w *follower) follow(f *flow) string {
	switch f.kind {
	case "break", "continue", "throw":
		w.show(w.n)
		w.n++
		if w.n-1 == f.when {
			return f.kind
		}
		return ""
	case "while", "do", "for", "foreach", "yielded":
		for range 3 {
			switch how := w.all(f.body); how {
			case "break":
				return ""
			case "throw":
				return how
			}
		}
		return ""
	case "case", "default":
		how := w.all(f.body)
		if how == "" && f.kind == "case" {
			w.show(91)
		}
		return strings.TrimPrefix(how, "break")
	case "try":
		how := w.all(f.body)
		if how == "throw" {
			w.show(96)
			return ""
		}
		return how
	case "catch":
		w.show(95)
	case "captured":
		a := w.n
		w.kept = append(w.kept, a)
		how := w.all(f.body)
		if how == "" {
			w.kept = append(w.kept, a)
		}
		return how
	}
	return w.all(f.body)
}

// loopKinds are the constructs that continue is about; break is about the
// switches too.
var (
	loopKinds = []string{"while", "do", "for", "foreach", "yielded"}
	flowKinds = append([]string{"case", "default", "if", "else", "try", "catch", "captured"}, loopKinds...)
)

// TestLeaving: break, continue and throw leave what they should, from within
// and between any two constructs in any loop, at each count; and what closures
// have captured stays what it was.
func TestLeaving(t *testing.T) {
	for _, around := range loopKinds {
		var src strings.Builder
		w := &follower{}
		for _, outer := range flowKinds {
			for _, inner := range flowKinds {
				for _, word := range []string{"break", "continue", "throw"} {
					for when := range 5 {
						leaf := func() *flow { return &flow{kind: word, when: when} }
						in := &flow{kind: inner, body: []*flow{leaf(), leaf()}}
						out := &flow{kind: outer, body: []*flow{leaf(), in, leaf()}}
						all := &flow{kind: around, body: []*flow{out, leaf()}}
						fmt.Fprintf(&src, "n = 0; try { %s } catch (e) { show(e); }\nprint(\"\\n\");\n", all.source())
						w.n = 0
						if w.follow(all) == "throw" {
							w.show(96)
						}
						w.out.WriteString("\n")
					}
				}
			}
		}
		got, want := runFlow(t, src.String()), w.out.String()
		for _, x := range w.kept {
			want += fmt.Sprint(x, " ")
		}
		if got != want {
			t.Fatalf("in %s: %s", around, firstDifference(src.String(), got, want))
		}
	}
}

// runFlow runs statements, a line that ends in print at a time, and returns what
// they printed, and then what the closures say.
func runFlow(t *testing.T, src string) string {
	v := New(standard, 8<<20)
	var out strings.Builder
	v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
	run := func(src string) {
		p, err := compile.Compile("flow.nut", []byte(src), compile.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		v.Start(v.Load(p), v.Root())
		if s := v.Run(1 << 30); s != Done {
			t.Fatalf("%d %v\n%s", s, v.Err(), src)
		}
	}
	run(flowPrelude)
	for _, part := range strings.SplitAfter(src, "print(\"\\n\");\n") {
		run(part)
	}
	run("foreach (f in kept) show(f());")
	return out.String()
}

// firstDifference returns the first program whose line is another, and both lines.
func firstDifference(src, got, want string) string {
	programs := strings.SplitAfter(src, "print(\"\\n\");\n")
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b), len(programs)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%s\nprints %s\nwant   %s", programs[i], a[i], b[i])
		}
	}
	return "they end at different places"
}
