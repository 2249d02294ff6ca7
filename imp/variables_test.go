package imp

import (
	"maps"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestVariables: the variables of a device group are members of the enum __VARS. Without any there is no
// such enum: code that only mentions it compiles.
func TestVariables(t *testing.T) {
	env := Variables(`{"S": "a \"text\"", "I": -7, "F": 1.5, "BIG": 3000000000, "T": true, "O": {}, "A": [1], "N": null}`)
	for src, want := range map[string]bool{
		"return __VARS.S;": true, "return __VARS.I;": true, "return __VARS.F;": true, "return __VARS.BIG;": true,
		"return __VARS.T;": true, "return __VARS.O;": false, "return __VARS.A;": false, "return __VARS.N;": false,
		"return __VARS.NONE;": false, "return __EI.DEPLOYMENT_ID;": true,
	} {
		if _, err := Compile(tandem.AgentSide, []byte(src), env); (err == nil) != want {
			t.Errorf("%s: %v", src, err)
		}
		if _, err := Compile(tandem.AgentSide, []byte(src), Variables("{}")); err != nil {
			t.Errorf("%s without variables: %v", src, err)
		}
	}
	for text, want := range map[string]any{
		`"a"`: "a", "7": 7, "-2147483648": -2147483648, "2147483648": 2147483648.0, "1e2": 100.0, "false": false, "[]": nil, "": nil,
	} {
		if got := constant(text); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	env["DEPLOYMENT_ID"] = "d"
	want := Environment{"DEPLOYMENT_ID": "d", "__VARS.S": `"a \"text\""`}
	if got := env.For("server.log(__VARS.S)"); !maps.Equal(got, want) {
		t.Errorf("a device gets %v", got)
	}
	for _, text := range []string{"", "null", "[1]", "no JSON"} {
		if got := Variables(text); len(got) != 0 {
			t.Errorf("%s: %v", text, got)
		}
	}
}
