package reference

import "github.com/tandem-iot/tandem/imp"

var functionMethods = []imp.Function{
	{
		Name: "function.call", Params: []imp.Param{need("this", "any", "what this is in the function"), may("...", "any", "the arguments")}, Result: "any",
		Doc: "Calls the function.", Example: "local greet = function(word) { return word + \" \" + name; };\nserver.log(greet.call({ name = \"lamp\" }, \"hello\"));   // → hello lamp",
	}, {
		Name: "function.pcall", Params: []imp.Param{need("this", "any", "what this is in the function"), may("...", "any", "the arguments")}, Result: "any",
		Doc: "Calls the function, as call does.", Example: `server.log((@(a, b) a + b).pcall(null, 1, 2));   // → 3`,
	}, {
		Name: "function.acall", Params: []imp.Param{need("arguments", "array", "what this is, then the arguments; 250 at most")}, Result: "any", Throws: []string{"wrong number of parameters", "too many parameters"},
		Doc: "Calls the function with the elements of an array.", Example: `server.log((@(a, b) a + b).acall([null, 1, 2]));   // → 3`,
	}, {
		Name: "function.pacall", Params: []imp.Param{need("arguments", "array", "what this is, then the arguments; 250 at most")}, Result: "any", Throws: []string{"wrong number of parameters", "too many parameters"},
		Doc: "Calls the function with the elements of an array, as acall does.", Example: `server.log((@(a, b) a * b).pacall([null, 3, 2]));   // → 6`,
	}, {
		Name: "function.bindenv", Params: []imp.Param{need("this", "x|y|t", "kept alive by the function")}, Result: "function",
		Doc: "A copy of the function in which this is always the same: for methods that are to be callbacks.", Source: impSquirrel,
		Example: "class Blinker {\n    on = false;\n    function toggle() { on = !on; }\n}\nlocal blinker = Blinker();\nimp.wakeup(0.5, blinker.toggle.bindenv(blinker));",
	}, {
		Name: "function.getinfos", Result: "table",
		Doc: "What is known of the function: native, name, and src, parameters, varargs, defparams, or of a native one paramscheck and typecheck.", Example: `server.log((function(a, b) {}).getinfos().parameters.len());   // → 3`,
	}, {
		Name: "function.weakref", Result: "weak reference",
		Doc: "A weak reference to the function.", Example: "local f = @() 7;\nserver.log(f.weakref().ref()());   // → 7",
	}, {
		Name: "function.tostring", Result: "string",
		Doc: "A text that tells functions apart.", Example: `server.log((@() 1).tostring().slice(0, 11));   // → (function :`,
	},
}

// lamp is the class of examples.
const lamp = "class Lamp {\n    watts = 5;\n}\n"

var classMethods = []imp.Function{
	{
		Name: "class.getattributes", Params: []imp.Param{need("member", "any", "its name; null for the class itself")}, Result: "any", Throws: []string{"wrong index"},
		Doc: "The attributes of a member, or null.", Example: "class Lamp {\n    </ unit = \"W\" />\n    power = 5;\n}\nserver.log(Lamp.getattributes(\"power\").unit);   // → W",
	}, {
		Name: "class.setattributes", Params: []imp.Param{need("member", "any", "its name; null for the class itself"), need("attributes", "any", "")}, Result: "any", Throws: []string{"wrong index"},
		Doc: "Sets the attributes of a member. The result is what they were.", Example: lamp + "Lamp.setattributes(\"watts\", { max = 9 });\nserver.log(Lamp.getattributes(\"watts\").max);   // → 9",
	}, {
		Name: "class.rawget", Params: []imp.Param{need("member", "any", "its name")}, Result: "any", Throws: []string{"the index doesn't exist"},
		Doc: "The value of a member.", Example: lamp + `server.log(Lamp.rawget("watts"));   // → 5`,
	}, {
		Name: "class.rawset", Params: []imp.Param{need("member", "any", "its name"), need("value", "any", "")}, Throws: []string{"null key"},
		Doc: "Adds or overwrites a member, without asking _newmember.", Example: lamp + "Lamp.rawset(\"watts\", 7);\nserver.log(Lamp().watts);   // → 7",
	}, {
		Name: "class.rawin", Params: []imp.Param{need("member", "any", "its name")}, Result: "bool",
		Doc: "Whether there is a member.", Example: lamp + `server.log(Lamp.rawin("volts"));   // → false`,
	}, {
		Name: "class.instance", Result: "instance",
		Doc: "Makes an instance without calling the constructor.", Example: lamp + `server.log(Lamp.instance().watts);   // → 5`,
	}, {
		Name: "class.getbase", Result: "class or null",
		Doc: "The class that this one extends.", Example: lamp + "class Spot extends Lamp {}\nserver.log(Spot.getbase() == Lamp);   // → true",
	}, {
		Name: "class.newmember", Params: []imp.Param{need("member", "any", "its name"), need("value", "any", ""), may("attributes", "any", ""), may("static", "any", "true for a static member")}, Throws: []string{"null key"},
		Doc: "Adds a member, as the body of a class does.", Example: lamp + "Lamp.newmember(\"volts\", 230);\nserver.log(Lamp().volts);   // → 230",
	}, {
		Name: "class.rawnewmember", Params: []imp.Param{need("member", "any", "its name"), need("value", "any", ""), may("attributes", "any", ""), may("static", "any", "true for a static member")}, Throws: []string{"null key"},
		Doc: "Adds a member, without asking _newmember.", Example: lamp + "Lamp.rawnewmember(\"volts\", 230, null, true);\nserver.log(Lamp.volts);   // → 230",
	}, {
		Name: "class.weakref", Result: "weak reference",
		Doc: "A weak reference to the class.", Example: lamp + `server.log(Lamp.weakref().ref() == Lamp);   // → true`,
	}, {
		Name: "class.tostring", Result: "string",
		Doc: "A text that tells classes apart.", Example: lamp + `server.log(Lamp.tostring().slice(0, 8));   // → (class :`,
	},
}

var instanceMethods = []imp.Function{
	{
		Name: "instance.getclass", Result: "class",
		Doc: "The class of the instance.", Example: lamp + `server.log(Lamp().getclass() == Lamp);   // → true`,
	}, {
		Name: "instance.rawget", Params: []imp.Param{need("member", "any", "its name")}, Result: "any", Throws: []string{"the index doesn't exist"},
		Doc: "The value of a member, without asking _get.", Example: lamp + `server.log(Lamp().rawget("watts"));   // → 5`,
	}, {
		Name: "instance.rawset", Params: []imp.Param{need("member", "any", "the name of a field"), need("value", "any", "")}, Throws: []string{"null key", "the index 'X' does not exist"},
		Doc: "Sets a field, without asking _set.", Example: lamp + "local l = Lamp();\nl.rawset(\"watts\", 7);\nserver.log(l.watts);   // → 7",
	}, {
		Name: "instance.rawin", Params: []imp.Param{need("member", "any", "its name")}, Result: "bool",
		Doc: "Whether there is a member.", Example: lamp + `server.log(Lamp().rawin("watts"));   // → true`,
	}, {
		Name: "instance.weakref", Result: "weak reference",
		Doc: "A weak reference to the instance.", Example: lamp + "local l = Lamp();\nserver.log(l.weakref().ref().watts);   // → 5",
	}, {
		Name: "instance.tostring", Result: "string",
		Doc: "What _tostring of the class gives, or a text that tells instances apart.", Example: "class Lamp {\n    function _tostring() { return \"a lamp\"; }\n}\nserver.log(Lamp().tostring());   // → a lamp",
	},
}

var otherMethods = []imp.Function{
	{
		Name: "generator.getstatus", Result: "string",
		Doc:     `"suspended", "running" or "dead".`,
		Example: "local count = (function() { yield 1; yield 2; })();\nserver.log(resume count);         // → 1\nserver.log(count.getstatus());   // → suspended",
	}, {
		Name: "generator.weakref", Result: "weak reference",
		Doc: "A weak reference to the generator.", Example: "local g = (function() { yield 1; })();\nserver.log(resume g.weakref().ref());   // → 1",
	}, {
		Name: "generator.tostring", Result: "string",
		Doc: "A text that tells generators apart.", Example: "local g = (function() { yield 1; })();\nserver.log(g.tostring().slice(0, 12));   // → (generator :",
	}, {
		Name: "weakref.ref", Result: "any",
		Doc: "What the weak reference refers to; null once that is gone. A slot or element that holds a weak reference reads so by itself.", Example: "local t = { a = 1 }, w = t.weakref();\nserver.log(w.ref().a);   // → 1",
	}, {
		Name: "weakref.weakref", Result: "weak reference",
		Doc: "The weak reference itself.", Example: "local t = { a = 1 }, w = t.weakref();\nserver.log(w.weakref().ref().a);   // → 1",
	}, {
		Name: "weakref.tostring", Result: "string",
		Doc: "A text that tells weak references apart.", Example: "local t = {}, w = t.weakref();\nlocal text = w.tostring();",
	},
}
