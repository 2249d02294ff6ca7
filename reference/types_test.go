package reference

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/imp"
)

// typeNames are the machine's names of the types that a mask's letters stand for.
var typeNames = map[byte]string{
	'o': "null", 'i': "integer", 'f': "float", 'n': "integer|float", 'b': "bool", 's': "string",
	't': "table", 'a': "array",
	'c': "function", 'g': "generator", 'x': "instance", 'r': "weakref",
}

// TestWrongTypes calls every function with a class for its first parameter. The
// error names the parameter, what was given, and all types that are documented.
func TestWrongTypes(t *testing.T) {
	for _, e := range Entries() {
		if e.Kind != Function || len(e.Params) == 0 {
			continue
		}
		mask := imp.Function{Name: e.Name, Params: e.Params[:1]}.Native().Mask[1:]
		if mask == "." {
			continue
		}
		args := "class {}"
		for _, p := range e.Params[1:] {
			if !p.Optional {
				args += ", null"
			}
		}
		src := fmt.Sprintf("try { ::%s(%s); } catch (problem) { server.log(problem); }", e.Name, args)
		run := runDevice
		if e.On&imp.OnAgent != 0 {
			run = runAgent
		}
		got := strings.Join(run(t, src).lines, "; ")
		if !strings.HasPrefix(got, "parameter 1 has an invalid type 'class' ; expected: '") {
			t.Errorf("%s: %s", e.Name, got)
			continue
		}
		for _, letter := range []byte(strings.ReplaceAll(mask, "|", "")) {
			// That null stands for a parameter left out is our own doing.
			if !strings.Contains(got, typeNames[letter]) && !(letter == 'o' && e.Params[0].Optional) {
				t.Errorf("%s: %s does not name %s", e.Name, got, typeNames[letter])
			}
		}
	}
}
