package reference

import "github.com/tandem-iot/tandem/imp"

// Package squirrel registers the language's own functions without documentation.
// These tables document them, in the form of the imp API's registry. Tests
// compare names and types of parameters with those in a machine.

const (
	squirrelManual = "http://www.squirrel-lang.org/squirreldoc/"
	impSquirrel    = "https://developer.electricimp.com/squirrel/learningsquirrel"
	impDocs        = "https://developer.electricimp.com/node/"
)

func need(name, typ, doc string) imp.Param { return imp.Param{Name: name, Type: typ, Doc: doc} }

func may(name, typ, doc string) imp.Param {
	return imp.Param{Name: name, Type: typ, Doc: doc, Optional: true}
}

// language returns the registry of the language without the imp API, which is the
// same on both sides.
func language() imp.API {
	api := imp.API{
		Classes: []imp.Class{
			{Name: "blob", Doc: "A sequence of bytes that can be read and written like a file. " +
				"Indices and foreach give its bytes, and a blob can be used where a string is expected."},
			{Name: "regexp", Doc: "A regular expression in Squirrel's own syntax."},
		},
		Constants: []imp.Constant{
			{Name: "_version_", Value: "Squirrel 3.0.4 stable", Doc: "The version of the language."},
			{Name: "_versionnumber_", Value: 304, Doc: "The version of the language as a number."},
			{Name: "_charsize_", Value: 1, Doc: "The number of bytes of a character."},
			{Name: "_intsize_", Value: 4, Doc: "The number of bytes of an integer."},
			{Name: "_floatsize_", Value: 4, Doc: "The number of bytes of a float."},
			{Name: "PI", Value: 3.14159265, Doc: "The number π; also as math.PI."},
			{Name: "RAND_MAX", Value: 2147483647, Doc: "The largest number that math.rand returns; also as math.RAND_MAX."},
			{Name: "math.PI", Value: 3.14159265, Doc: "The number π."},
			{Name: "math.RAND_MAX", Value: 2147483647, Doc: "The largest number that math.rand returns."},
		},
	}
	for _, part := range [][]imp.Function{
		baseFunctions, numberMethods(), stringMethods, arrayMethods, tableMethods, functionMethods,
		classMethods, instanceMethods, otherMethods, blobMethods, regexpMethods, mathFunctions,
	} {
		api.Functions = append(api.Functions, part...)
	}
	for i := range api.Functions {
		f := &api.Functions[i]
		f.On = imp.OnBoth
		if f.Source == "" {
			f.Source = squirrelManual
		}
	}
	for i := range api.Constants {
		api.Constants[i].On, api.Constants[i].Source = imp.OnBoth, squirrelManual
	}
	for i := range api.Classes {
		api.Classes[i].On = imp.OnBoth
	}
	return api
}

var baseFunctions = []imp.Function{
	{
		Name:    "print",
		Params:  []imp.Param{need("value", "any", "shown as its text")},
		Doc:     "Writes a line to the device's log, as server.log does.",
		Source:  impSquirrel,
		Example: `print("hello");   // → hello`,
	}, {
		Name:    "error",
		Params:  []imp.Param{need("value", "any", "shown as its text")},
		Doc:     "Writes a line to the device's log as an error, as server.error does.",
		Source:  impSquirrel,
		Example: `error("the valve does not close");`,
	}, {
		Name:   "assert",
		Params: []imp.Param{need("condition", "any", "the condition that must be true")},
		Throws: []string{"assertion failed"},
		Doc:    "Throws when the condition is false, null or 0.",
		Example: "local parts = split(\"21.5,C\", \",\");\n" +
			"assert(parts.len() == 2);",
	}, {
		Name:   "type",
		Params: []imp.Param{need("value", "any", "")},
		Result: "string",
		Doc:    "The name of the value's type. Unlike the operator typeof it does not call an object's _typeof.",
		Example: "server.log(type(21.5));    // → float\n" +
			"server.log(type(@() 1));   // → function",
	}, {
		Name: "array",
		Params: []imp.Param{
			need("size", "number", "number of elements"),
			may("fill", "any", "value of each element; null when left out"),
		},
		Result:  "array",
		Throws:  []string{"resizing to negative length"},
		Doc:     "Makes an array with a number of elements.",
		Example: `server.log(array(3, 0).len());   // → 3`,
	}, {
		Name:   "callee",
		Result: "function",
		Doc:    "The running function: for a recursive function without a name.",
		Example: "local factorial = @(n) n < 2 ? 1 : n * callee()(n - 1);\n" +
			"server.log(factorial(5));   // → 120",
	}, {
		Name:    "dummy",
		Doc:     "Does nothing.",
		Example: `dummy();`,
	}, {
		Name:    "getroottable",
		Result:  "table",
		Doc:     "The table of all globals.",
		Example: `server.log("tandem" in getroottable());   // → true`,
	}, {
		Name:   "collectgarbage",
		Result: "integer",
		Doc:    "Frees unused memory at once, which otherwise happens when memory is needed. The result is 0.",
		Example: "collectgarbage();\n" +
			"server.log(\"Free: \" + imp.getmemoryfree());",
	}, {
		Name: "format",
		Params: []imp.Param{
			need("pattern", "string", "text with %s, %d, %i, %u, %c, %x, %X, %o, %f, %e, %g and %%"),
			may("...", "any", "a value for each of these"),
		},
		Result: "string",
		Throws: []string{
			"not enough paramters for the given format string",
			"invalid format",
			"string expected for the specified format",
		},
		Doc:     "Formats values as C's printf does, with flags, width and precision.",
		Example: `server.log(format("%s: %.1f °C, 0x%02X", "kitchen", 21.456, 10));   // → kitchen: 21.5 °C, 0x0A`,
	}, {
		Name:    "strip",
		Params:  []imp.Param{need("text", "string", "")},
		Result:  "string",
		Doc:     "The text without white space at both ends.",
		Example: `server.log("[" + strip("  on \n") + "]");   // → [on]`,
	}, {
		Name:    "lstrip",
		Params:  []imp.Param{need("text", "string", "")},
		Result:  "string",
		Doc:     "The text without white space at its beginning.",
		Example: `server.log("[" + lstrip("  on ") + "]");   // → [on ]`,
	}, {
		Name:    "rstrip",
		Params:  []imp.Param{need("text", "string", "")},
		Result:  "string",
		Doc:     "The text without white space at its end.",
		Example: `server.log("[" + rstrip("  on ") + "]");   // → [  on]`,
	}, {
		Name: "split",
		Params: []imp.Param{
			need("text", "string", ""),
			need("separators", "string", "each of its characters is a separator"),
		},
		Result:  "array",
		Throws:  []string{"empty separators string"},
		Doc:     "Splits a text into pieces. Empty pieces are left out.",
		Example: `server.log(split("a,b,,c", ",").len());   // → 3`,
	}, {
		Name:    "time",
		Result:  "integer",
		Doc:     "Seconds since 1970, UTC.",
		Example: `local age = time() - 1767225600;   // since the beginning of 2026`,
	}, {
		Name: "date",
		Params: []imp.Param{
			may("time", "number", "seconds since 1970; now when left out"),
			may("zone", "any", "ignored: the time zone is always UTC"),
		},
		Result: "table",
		Doc: "The parts of a time: sec, min, hour, day, month (0 to 11), year, wday (0 is Sunday), yday, " +
			"time, the seconds since 1970, and usec, the microseconds of the current time, which is 0 on devices. " +
			"All of them are 0 for a time outside of the years 2000 to 2099. From 2038 on the time is a number below 0.",
		Source: impDocs + "2324",
		Example: "local d = date(951782400);\n" +
			"server.log(format(\"%04d-%02d-%02d\", d.year, d.month + 1, d.day));   // → 2000-02-29",
	}, {
		Name:   "clock",
		Result: "float",
		Doc:    "Seconds since its first call, with a fraction, to measure durations.",
		Example: "local start = clock();\n" +
			"local took = clock() - start;",
	}, {
		Name:    "casti2f",
		Params:  []imp.Param{need("bits", "number", "an integer")},
		Result:  "float",
		Doc:     "The float with the same 32 bits.",
		Example: `server.log(casti2f(0x3f800000));   // → 1`,
	}, {
		Name:    "castf2i",
		Params:  []imp.Param{need("number", "number", "a float")},
		Result:  "integer",
		Doc:     "The integer with the same 32 bits.",
		Example: `server.log(format("%08x", castf2i(1.0)));   // → 3f800000`,
	}, {
		Name:    "swap2",
		Params:  []imp.Param{need("number", "number", "")},
		Result:  "integer",
		Doc:     "The lowest two bytes swapped, as an unsigned number.",
		Example: `server.log(format("%04x", swap2(0x1234)));   // → 3412`,
	}, {
		Name:    "swap4",
		Params:  []imp.Param{need("number", "number", "")},
		Result:  "integer",
		Doc:     "The four bytes in reverse order.",
		Example: `server.log(format("%08x", swap4(0x12345678)));   // → 78563412`,
	}, {
		Name:    "swapfloat",
		Params:  []imp.Param{need("number", "number", "")},
		Result:  "float",
		Doc:     "The float whose four bytes are in reverse order.",
		Example: `server.log(swapfloat(swapfloat(1.5)));   // → 1.5`,
	},
}

// numberMethods are the same for integers, floats and bools.
func numberMethods() (all []imp.Function) {
	for _, t := range []struct{ name, literal, integer, float, text, char string }{
		{"integer", "65", "65", "65", "65", "A"},
		{"float", "65.5", "65", "65.5", "65.5", "A"},
		{"bool", "true", "1", "1", "true", ""},
	} {
		show := func(method, want string) string {
			return "local x = " + t.literal + ";\nserver.log(x." + method + "());   // → " + want
		}
		char := show("tochar", t.char)
		if t.char == "" {
			char = show("tochar().len", "1")
		}
		all = append(all,
			imp.Function{
				Name:    t.name + ".tointeger",
				Result:  "integer",
				Doc:     "The value as an integer; a float loses its fraction.",
				Example: show("tointeger", t.integer),
			},
			imp.Function{
				Name:    t.name + ".tofloat",
				Result:  "float",
				Doc:     "The value as a float.",
				Example: show("tofloat", t.float),
			},
			imp.Function{
				Name:    t.name + ".tostring",
				Result:  "string",
				Doc:     "The value as text.",
				Example: show("tostring", t.text),
			},
			imp.Function{
				Name:    t.name + ".tochar",
				Result:  "string",
				Doc:     "A string of one byte, the lowest byte of the value.",
				Example: char,
			},
			imp.Function{
				Name:    t.name + ".weakref",
				Result:  t.name,
				Doc:     "The value itself, as weak references refer to objects only.",
				Example: show("weakref", t.text),
			},
		)
	}
	return all
}

var mathFunctions = append(simpleMath(), []imp.Function{
	{
		Name:    "math.abs",
		Params:  []imp.Param{need("x", "number", "")},
		Result:  "integer",
		Doc:     "The value without its sign, as an integer; math.fabs keeps the fraction.",
		Example: `server.log(math.abs(-3));   // → 3`,
	}, {
		Name:    "math.fabs",
		Params:  []imp.Param{need("x", "number", "")},
		Result:  "float",
		Doc:     "The value without its sign.",
		Example: `server.log(math.fabs(-1.5));   // → 1.5`,
	}, {
		Name: "math.atan2",
		Params: []imp.Param{
			need("y", "number", ""),
			need("x", "number", ""),
		},
		Result:  "float",
		Doc:     "The angle of the point (x, y), -π to π.",
		Example: `server.log(format("%.4f", math.atan2(1, 1)));   // → 0.7854`,
	}, {
		Name: "math.pow",
		Params: []imp.Param{
			need("x", "number", ""),
			need("exponent", "number", ""),
		},
		Result:  "float",
		Doc:     "x to the power of the exponent.",
		Example: `server.log(math.pow(2, 10));   // → 1024`,
	}, {
		Name:    "math.rand",
		Result:  "integer",
		Doc:     "A random number from 0 to RAND_MAX. Do not use it for secrets.",
		Example: `local dice = 1 + math.rand() % 6;`,
	}, {
		Name:    "math.srand",
		Params:  []imp.Param{need("seed", "number", "")},
		Doc:     "Has no effect: each start has a seed of its own.",
		Source:  impSquirrel,
		Example: `math.srand(time());`,
	},
}...)

func simpleMath() (all []imp.Function) {
	for _, f := range []struct{ name, doc, example, want string }{
		{"sqrt", "The square root.", "math.sqrt(2)", "1.4142"},
		{"sin", "The sine of an angle in radians.", "math.sin(PI / 6)", "0.5000"},
		{"cos", "The cosine of an angle in radians.", "math.cos(PI / 3)", "0.5000"},
		{"tan", "The tangent of an angle in radians.", "math.tan(PI / 4)", "1.0000"},
		{"asin", "The angle with this sine, in radians.", "math.asin(1)", "1.5708"},
		{"acos", "The angle with this cosine, in radians.", "math.acos(0)", "1.5708"},
		{"atan", "The angle with this tangent, in radians.", "math.atan(1)", "0.7854"},
		{"log", "The natural logarithm.", "math.log(10)", "2.3026"},
		{"log10", "The logarithm to the base 10.", "math.log10(1000)", "3.0000"},
		{"exp", "e to the power of x.", "math.exp(1)", "2.7183"},
		{"floor", "The largest whole number that is not above x, as a float.", "math.floor(-1.5)", "-2.0000"},
		{"ceil", "The smallest whole number that is not below x, as a float.", "math.ceil(1.2)", "2.0000"},
	} {
		all = append(all, imp.Function{
			Name:    "math." + f.name,
			Params:  []imp.Param{need("x", "number", "")},
			Result:  "float",
			Doc:     f.doc,
			Example: `server.log(format("%.4f", ` + f.example + `));   // → ` + f.want,
		})
	}
	return all
}
