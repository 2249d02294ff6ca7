// Package wrongtest makes calls of a function with a wrong type for one of its parameters.
package wrongtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem/imp"
)

// samples has an expression for every letter of a parameter's mask. called is a function of
// the program.
var samples = map[string]string{
	"o": `null`, "i": `1`, "f": `1.5`, "b": `true`, "s": `"1"`, "t": `{}`, "a": `[]`, "c": `called`, "x": `blob(1)`,
}

// Letters returns the mask letters of what a parameter takes; nil is anything.
func Letters(p imp.Param) []string {
	mask, _ := strings.CutPrefix(imp.Function{Params: []imp.Param{p}}.Native().Mask, ".")
	if mask == "." {
		return nil
	}
	return strings.Split(strings.ReplaceAll(mask, "n", "i|f"), "|")
}

// Right returns an expression for each parameter, of a type that it takes.
func Right(params []imp.Param) (all []string) {
	for _, p := range params {
		x := `1`
		if l := Letters(p); l != nil {
			x = samples[l[0]]
		}
		all = append(all, x)
	}
	return all
}

// Wrong returns expressions for what a parameter does not take.
func Wrong(p imp.Param) (all []string) {
	takes := Letters(p)
	if takes == nil {
		return nil
	}
	for letter, x := range samples {
		if !slices.Contains(takes, letter) {
			all = append(all, x)
		}
	}
	return all
}

// Call returns a call with the right arguments, and x in the place of argument i.
func Call(callee string, right []string, i int, x string) string {
	return fmt.Sprintf("%s(%s)", callee, strings.Join(slices.Concat(right[:i], []string{x}, right[i+1:]), ", "))
}
