package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/wrongtest"
	"github.com/tandem-iot/tandem/squirrel"
)

// TestWrongTypes calls every function with each wrong type for each of its
// parameters, with too few of them and with too many.
func TestWrongTypes(t *testing.T) {
	for _, f := range agentFunctions() {
		t.Run(f.Name, func(t *testing.T) {
			callee := instanceOrPath(f.Name)
			right, needed := wrongtest.Right(f.Params), 0
			for _, p := range f.Params {
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
					call := wrongtest.Call(callee, right, i, x)
					wrong[call] = fmt.Sprintf("parameter %d has an invalid type", i+1)
					if slices.Contains(wrongtest.Letters(p), "x") && x == notData {
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
func wrongFor(p imp.Param) []string {
	if wrongtest.Letters(p) == nil {
		return nil
	}
	return append(wrongtest.Wrong(p), notData)
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
