package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// samples has an expression for every letter of a parameter's mask.
var samples = map[string]string{
	"o": `null`, "i": `1`, "f": `1.5`, "b": `true`, "s": `"1"`, "t": `{}`, "a": `[]`, "c": `called`, "x": `blob(1)`,
}

// letters returns the mask letters of what a parameter takes.
func letters(p imp.Param) []string {
	mask, _ := strings.CutPrefix(imp.Function{Params: []imp.Param{p}}.Native().Mask, ".")
	if mask == "." {
		return nil
	}
	return strings.Split(strings.ReplaceAll(mask, "n", "i|f"), "|")
}

// TestWrongTypes calls every function with each wrong type for each of its
// parameters, with too few of them and with too many.
func TestWrongTypes(t *testing.T) {
	for _, f := range agentFunctions() {
		t.Run(f.Name, func(t *testing.T) {
			callee := instanceOrPath(f.Name)
			var right []string
			needed := 0
			for _, p := range f.Params {
				x := `1`
				if l := letters(p); l != nil {
					x = samples[l[0]]
				}
				right = append(right, x)
				if !p.Optional {
					needed++
				}
			}
			wrong := map[string]string{}
			for n := range needed {
				wrong[fmt.Sprintf("%s(%s)", callee, strings.Join(right[:n], ", "))] = "wrong number of parameters"
			}
			if needed == len(right) {
				wrong[fmt.Sprintf("%s(%s)", callee, strings.Join(append(right, "1"), ", "))] = "wrong number of parameters"
			}
			for i, p := range f.Params {
				for _, x := range wrongFor(p) {
					call := fmt.Sprintf("%s(%s)", callee, strings.Join(slices.Concat(right[:i], []string{x}, right[i+1:]), ", "))
					wrong[call] = fmt.Sprintf("parameter %d has an invalid type", i+1)
					if slices.Contains(letters(p), "x") && x == notData {
						wrong[call] = "" // the function itself finds it
					}
				}
			}
			for call, want := range wrong {
				if got := thrownBy(t, call); !strings.Contains(got, "throws "+want) {
					t.Errorf("%s: %s", call, got)
				}
			}
		})
	}
}

// notData is an instance that no function takes.
const notData = `(class {})()`

// wrongFor returns expressions for what a parameter does not take.
func wrongFor(p imp.Param) (all []string) {
	takes := letters(p)
	if takes == nil {
		return nil
	}
	for letter, x := range samples {
		if !slices.Contains(takes, letter) {
			all = append(all, x)
		}
	}
	return append(all, notData)
}

// instanceOrPath returns how a function is called; for a method, on an
// instance that thrownBy makes.
func instanceOrPath(name string) string {
	if class, method, ok := strings.Cut(name, "."); ok && isClass(class) {
		return "of_" + class + "." + method
	}
	return name
}

func isClass(name string) bool {
	classes := slices.Concat(API.Classes, imp.Shared.Classes)
	return slices.ContainsFunc(classes, func(c imp.Class) bool { return c.Name == name })
}

// thrownBy makes a call and returns what callLine.run says of it.
func thrownBy(t *testing.T, call string) string {
	w := newWorld(mustCompile(t, callLine{text: call}.program()))
	vm := w.m.core.VM
	for _, c := range slices.Concat(API.Classes, imp.Shared.Classes) {
		vm.Set(vm.Root(), vm.NewString("of_"+c.Name), vm.NewNative(c.Name, squirrel.Null))
	}
	w.do(&Boot{})
	w.do(&DeviceMessage{tandem.Message{Name: "row"}})
	return oneLine(w.out.String())
}
