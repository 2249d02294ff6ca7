package imp

import (
	"maps"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Environment holds the members of the enum __EI with which a program is compiled, by name, and
// those of the enum __VARS; see Variables. Members that imps always have are "" when they are
// missing. There is no enum __VARS without members.
type Environment map[string]string

// environmentNames are the members that __EI always has.
var environmentNames = []string{
	"PRODUCT_ID", "PRODUCT_NAME", "DEVICEGROUP_ID", "DEVICEGROUP_NAME", "DEVICEGROUP_TYPE",
	"DEPLOYMENT_ID", "DEPLOYMENT_SHA", "DEPLOYMENT_CREATED_AT",
}

// Compile compiles a side's program, which must include its libraries already. Its error
// is a *syntax.Error with the position and the text.
func Compile(side tandem.Side, src []byte, env Environment) (*compile.Program, error) {
	return CompileWith(side, src, env, compile.Options{})
}

// CompileWith is Compile with more options; it sets their Enums.
func CompileWith(side tandem.Side, src []byte, env Environment, opts compile.Options) (*compile.Program, error) {
	switch list, _, err := requires(SourceName(side), string(src)); {
	case err != nil:
		return nil, err
	case list != nil:
		return nil, list[0].fail("the library %s is not included: use Include before Compile", list[0].LibraryID)
	}
	members := map[string]any{}
	for _, name := range environmentNames {
		members[name] = ""
	}
	variables := map[string]any{}
	for name, val := range maps.All(env) {
		if v, ok := strings.CutPrefix(name, variablePrefix); !ok {
			members[name] = val
		} else if c := constant(val); c != nil {
			variables[v] = c
		}
	}
	opts.Enums = map[string]map[string]any{"__EI": members}
	if len(variables) > 0 {
		opts.Enums["__VARS"] = variables
	}
	return compile.Compile(SourceName(side), src, opts)
}
