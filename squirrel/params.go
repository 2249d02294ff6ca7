package squirrel

import "strings"

// builtinParams has the names of the parameters of the functions of the language and its
// library, by path, without "math." or the type of the method: people read them in
// errors. A function without parameters is not here. "..." stands for any number more. After
// a colon is what the parameter takes, where the function's mask says less.
var builtinParams = map[string]string{
	"print":  "value",
	"error":  "value",
	"assert": "condition",
	"type":   "value",
	"array":  "size, fill",

	"format": "format, ...",
	"strip":  "text",
	"lstrip": "text",
	"rstrip": "text",
	"split":  "text, separators",

	"casti2f":   "integer",
	"castf2i":   "float",
	"swap2":     "number",
	"swap4":     "number",
	"swapfloat": "number",

	"sqrt": "number", "sin": "number", "cos": "number", "tan": "number", "log": "number", "log10": "number",
	"asin": "number", "acos": "number", "atan": "number", "floor": "number", "ceil": "number", "exp": "number",
	"fabs": "number", "abs": "number", "atan2": "y, x", "pow": "base, exponent", "srand": "seed",

	"date":          "time, format",
	"compilestring": "source, name",
	"setroottable":  "table",
	"getstackinfos": "level",

	"string::slice": "start, end",
	"string::find":  "text, start",

	"table::rawget":      "key",
	"table::rawset":      "key, value",
	"table::rawdelete":   "key",
	"table::rawin":       "key",
	"table::setdelegate": "delegate",

	"array::append": "value",
	"array::push":   "value",
	"array::extend": "array",
	"array::insert": "index, value",
	"array::remove": "index",
	"array::resize": "size, fill",
	"array::sort":   "compare function",
	"array::slice":  "start, end",
	"array::map":    "function",
	"array::apply":  "function",
	"array::reduce": "function",
	"array::filter": "function",
	"array::find":   "value",

	"function::call":    "environment, ...",
	"function::pcall":   "environment, ...",
	"function::acall":   "arguments",
	"function::pacall":  "arguments",
	"function::bindenv": "environment",

	"class::getattributes": "member",
	"class::setattributes": "member, attributes",
	"class::rawget":        "key",
	"class::rawset":        "key, value",
	"class::rawin":         "key",
	"class::newmember":     "name, value, attributes, static",
	"class::rawnewmember":  "name, value, attributes, static",

	"instance::rawget": "key",
	"instance::rawset": "key, value",
	"instance::rawin":  "key",

	"blob.constructor": "size",
	"blob.seek":        "offset, origin",
	"blob.readn":       "type",
	"blob.writen":      "value, type",
	"blob.readblob":    "size",
	"blob.writeblob":   "blob: a blob",
	"blob.readstring":  "size",
	"blob.writestring": "text",
	"blob.resize":      "size",
	"blob._get":        "index",
	"blob._set":        "index, value",
	"blob._nexti":      "index",
	"blob._cloned":     "original: a blob",

	"regexp.constructor": "pattern",
	"regexp.search":      "text, start",
	"regexp.match":       "text",
	"regexp.capture":     "text, start",
}

// Unnamed returns the paths of the natives whose parameters do not all have one name each:
// there must be none.
func (l *Library) Unnamed() (paths []string) {
	for _, n := range l.natives[1:] {
		all := n.params()
		least := max(len(n.masks)-1, n.Check-1, -n.Check-1, 0)
		names := map[string]bool{"": true}
		for _, p := range all {
			names[p.Name] = true
		}
		if len(all) < least || n.Check > 0 && len(all) > n.Check-1 || len(names) != len(all)+1 {
			paths = append(paths, n.path)
		}
	}
	return paths
}

// builtinParamsOf returns the parameters of a built-in function.
func builtinParamsOf(path string) (all []Param) {
	list := builtinParams[strings.TrimPrefix(path, "math.")]
	if list == "" {
		return nil
	}
	for _, p := range strings.Split(list, ", ") {
		name, takes, _ := strings.Cut(p, ": ")
		all = append(all, Param{name, takes})
	}
	return all
}
