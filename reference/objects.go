package reference

import "github.com/tandem-iot/tandem/imp"

var functionMethods = []imp.Function{
	{
		Name: "function.call",
		Params: []imp.Param{
			need("this", "any", "the value of this in the function"),
			may("...", "any", "the arguments"),
		},
		Result: "any",
		Doc:    "Calls the function.",
		Example: "local greet = function(word) { return word + \" \" + name; };\n" +
			"server.log(greet.call({ name = \"lamp\" }, \"hello\"));   // → hello lamp",
	}, {
		Name: "function.pcall",
		Params: []imp.Param{
			need("this", "any", "the value of this in the function"),
			may("...", "any", "the arguments"),
		},
		Result:  "any",
		Doc:     "Calls the function, as call does.",
		Example: `server.log((@(a, b) a + b).pcall(null, 1, 2));   // → 3`,
	}, {
		Name: "function.acall",
		Params: []imp.Param{
			need("arguments", "array", "the value of this, then the arguments; 250 at most"),
		},
		Result:  "any",
		Throws:  []string{"wrong number of parameters", "too many parameters"},
		Doc:     "Calls the function with the elements of an array.",
		Example: `server.log((@(a, b) a + b).acall([null, 1, 2]));   // → 3`,
	}, {
		Name: "function.pacall",
		Params: []imp.Param{
			need("arguments", "array", "the value of this, then the arguments; 250 at most"),
		},
		Result:  "any",
		Throws:  []string{"wrong number of parameters", "too many parameters"},
		Doc:     "Calls the function with the elements of an array, as acall does.",
		Example: `server.log((@(a, b) a * b).pacall([null, 3, 2]));   // → 6`,
	}, {
		Name:   "function.bindenv",
		Params: []imp.Param{need("this", "x|y|t", "kept alive by the function")},
		Result: "function",
		Doc:    "A copy of the function in which this is always the same, to use a method as a callback.",
		Source: impSquirrel,
		Example: "class Blinker {\n" +
			"    on = false;\n" +
			"    function toggle() { on = !on; }\n" +
			"}\n" +
			"local blinker = Blinker();\n" +
			"imp.wakeup(0.5, blinker.toggle.bindenv(blinker));",
	}, {
		Name:   "function.getinfos",
		Result: "table",
		Doc: "A table about the function: native, name, and src, parameters, varargs and defparams, " +
			"or for a native function paramscheck and typecheck.",
		Example: `server.log((function(a, b) {}).getinfos().parameters.len());   // → 3`,
	}, {
		Name:   "function.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the function.",
		Example: "local f = @() 7;\n" +
			"server.log(f.weakref().ref()());   // → 7",
	}, {
		Name:    "function.tostring",
		Result:  "string",
		Doc:     "A text that distinguishes functions.",
		Example: `server.log((@() 1).tostring().slice(0, 11));   // → (function :`,
	},
}

// lamp is the class in examples.
const lamp = "class Lamp {\n    watts = 5;\n}\n"

var classMethods = []imp.Function{
	{
		Name:   "class.getattributes",
		Params: []imp.Param{need("member", "any", "its name; null for the class itself")},
		Result: "any",
		Throws: []string{"wrong index"},
		Doc:    "The attributes of a member, or null.",
		Example: "class Lamp {\n" +
			"    </ unit = \"W\" />\n" +
			"    power = 5;\n" +
			"}\n" +
			"server.log(Lamp.getattributes(\"power\").unit);   // → W",
	}, {
		Name: "class.setattributes",
		Params: []imp.Param{
			need("member", "any", "its name; null for the class itself"),
			need("attributes", "any", ""),
		},
		Result: "any",
		Throws: []string{"wrong index"},
		Doc:    "Sets the attributes of a member. The result is the attributes before.",
		Example: lamp +
			"Lamp.setattributes(\"watts\", { max = 9 });\n" +
			"server.log(Lamp.getattributes(\"watts\").max);   // → 9",
	}, {
		Name:    "class.rawget",
		Params:  []imp.Param{need("member", "any", "its name")},
		Result:  "any",
		Throws:  []string{"the index doesn't exist"},
		Doc:     "The value of a member.",
		Example: lamp + `server.log(Lamp.rawget("watts"));   // → 5`,
	}, {
		Name: "class.rawset",
		Params: []imp.Param{
			need("member", "any", "its name"),
			need("value", "any", ""),
		},
		Throws: []string{"null key"},
		Doc:    "Adds or overwrites a member, without calling _newmember.",
		Example: lamp +
			"Lamp.rawset(\"watts\", 7);\n" +
			"server.log(Lamp().watts);   // → 7",
	}, {
		Name:    "class.rawin",
		Params:  []imp.Param{need("member", "any", "its name")},
		Result:  "bool",
		Doc:     "Whether the class has a member.",
		Example: lamp + `server.log(Lamp.rawin("volts"));   // → false`,
	}, {
		Name:    "class.instance",
		Result:  "instance",
		Doc:     "Makes an instance without calling the constructor.",
		Example: lamp + `server.log(Lamp.instance().watts);   // → 5`,
	}, {
		Name:   "class.getbase",
		Result: "class or null",
		Doc:    "The class that this one extends.",
		Example: lamp +
			"class Spot extends Lamp {}\n" +
			"server.log(Spot.getbase() == Lamp);   // → true",
	}, {
		Name: "class.newmember",
		Params: []imp.Param{
			need("member", "any", "its name"),
			need("value", "any", ""),
			may("attributes", "any", ""),
			may("static", "any", "true for a static member"),
		},
		Throws: []string{"null key"},
		Doc:    "Adds a member, as the body of a class does.",
		Example: lamp +
			"Lamp.newmember(\"volts\", 230);\n" +
			"server.log(Lamp().volts);   // → 230",
	}, {
		Name: "class.rawnewmember",
		Params: []imp.Param{
			need("member", "any", "its name"),
			need("value", "any", ""),
			may("attributes", "any", ""),
			may("static", "any", "true for a static member"),
		},
		Throws: []string{"null key"},
		Doc:    "Adds a member, without calling _newmember.",
		Example: lamp +
			"Lamp.rawnewmember(\"volts\", 230, null, true);\n" +
			"server.log(Lamp.volts);   // → 230",
	}, {
		Name:    "class.weakref",
		Result:  "weak reference",
		Doc:     "A weak reference to the class.",
		Example: lamp + `server.log(Lamp.weakref().ref() == Lamp);   // → true`,
	}, {
		Name:    "class.tostring",
		Result:  "string",
		Doc:     "A text that distinguishes classes.",
		Example: lamp + `server.log(Lamp.tostring().slice(0, 8));   // → (class :`,
	},
}

var instanceMethods = []imp.Function{
	{
		Name:    "instance.getclass",
		Result:  "class",
		Doc:     "The class of the instance.",
		Example: lamp + `server.log(Lamp().getclass() == Lamp);   // → true`,
	}, {
		Name:    "instance.rawget",
		Params:  []imp.Param{need("member", "any", "its name")},
		Result:  "any",
		Throws:  []string{"the index doesn't exist"},
		Doc:     "The value of a member, without calling _get.",
		Example: lamp + `server.log(Lamp().rawget("watts"));   // → 5`,
	}, {
		Name: "instance.rawset",
		Params: []imp.Param{
			need("member", "any", "the name of a field"),
			need("value", "any", ""),
		},
		Throws: []string{"null key", "the index 'X' does not exist"},
		Doc:    "Sets a field, without calling _set.",
		Example: lamp +
			"local l = Lamp();\n" +
			"l.rawset(\"watts\", 7);\n" +
			"server.log(l.watts);   // → 7",
	}, {
		Name:    "instance.rawin",
		Params:  []imp.Param{need("member", "any", "its name")},
		Result:  "bool",
		Doc:     "Whether the instance has a member.",
		Example: lamp + `server.log(Lamp().rawin("watts"));   // → true`,
	}, {
		Name:   "instance.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the instance.",
		Example: lamp +
			"local l = Lamp();\n" +
			"server.log(l.weakref().ref().watts);   // → 5",
	}, {
		Name:   "instance.tostring",
		Result: "string",
		Doc:    "The result of the class's _tostring, or a text that distinguishes instances.",
		Example: "class Lamp {\n" +
			"    function _tostring() { return \"a lamp\"; }\n" +
			"}\n" +
			"server.log(Lamp().tostring());   // → a lamp",
	},
}

var otherMethods = []imp.Function{
	{
		Name:   "generator.getstatus",
		Result: "string",
		Doc:    `"suspended", "running" or "dead".`,
		Example: "local count = (function() { yield 1; yield 2; })();\n" +
			"server.log(resume count);         // → 1\n" +
			"server.log(count.getstatus());   // → suspended",
	}, {
		Name:   "generator.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the generator.",
		Example: "local g = (function() { yield 1; })();\n" +
			"server.log(resume g.weakref().ref());   // → 1",
	}, {
		Name:   "generator.tostring",
		Result: "string",
		Doc:    "A text that distinguishes generators.",
		Example: "local g = (function() { yield 1; })();\n" +
			"server.log(g.tostring().slice(0, 12));   // → (generator :",
	}, {
		Name:   "weakref.ref",
		Result: "any",
		Doc: "The object of the weak reference; null when it no longer exists. Reading a slot or element " +
			"that holds a weak reference does the same.",
		Example: "local t = { a = 1 }, w = t.weakref();\n" +
			"server.log(w.ref().a);   // → 1",
	}, {
		Name:   "weakref.weakref",
		Result: "weak reference",
		Doc:    "The weak reference itself.",
		Example: "local t = { a = 1 }, w = t.weakref();\n" +
			"server.log(w.weakref().ref().a);   // → 1",
	}, {
		Name:   "weakref.tostring",
		Result: "string",
		Doc:    "A text that distinguishes weak references.",
		Example: "local t = {}, w = t.weakref();\n" +
			"local text = w.tostring();",
	},
}
