package reference

import "github.com/tandem-iot/tandem/imp"

var stringMethods = []imp.Function{
	{
		Name:    "string.len",
		Result:  "integer",
		Doc:     "The number of bytes of the string. A character outside ASCII has more than one.",
		Example: `server.log("hello".len());   // → 5`,
	}, {
		Name:   "string.tointeger",
		Result: "integer",
		Throws: []string{"cannot convert the string"},
		Doc: "The integer at the beginning of the string, in decimal or, after 0x, in hexadecimal. " +
			"The result is -1 for more than eight hexadecimal digits.",
		Source: impDocs + "2443",
		Example: "server.log(\"42\".tointeger() + 1);   // → 43\n" +
			"server.log(\"0xFF\".tointeger());     // → 255",
	}, {
		Name:    "string.tofloat",
		Result:  "float",
		Throws:  []string{"cannot convert the string"},
		Doc:     "The number at the beginning of the string, as a float. A hexadecimal one is read as tointeger does.",
		Source:  impDocs + "2338",
		Example: `server.log("21.5".tofloat() * 2);   // → 43`,
	}, {
		Name:    "string.tostring",
		Result:  "string",
		Doc:     "The string itself.",
		Example: `server.log("on".tostring());   // → on`,
	}, {
		Name: "string.slice",
		Params: []imp.Param{
			may("start", "number", "index of the first byte; 0 when left out"),
			may("end", "number", "index after the last byte; the length when left out"),
		},
		Result: "string",
		Throws: []string{"wrong indexes", "slice out of range"},
		Doc:    "A part of the string. A negative index counts from the end.",
		Example: "server.log(\"temperature\".slice(0, 4));   // → temp\n" +
			"server.log(\"log.txt\".slice(-3));          // → txt",
	}, {
		Name: "string.find",
		Params: []imp.Param{
			need("text", "string", "to look for"),
			may("start", "number", "the index to begin at; 0 when left out"),
		},
		Result:  "integer or null",
		Doc:     "The index of the first occurrence of the text; null when there is none.",
		Example: `if ("on,off".find("off") != null) server.log("found");   // → found`,
	}, {
		Name:    "string.tolower",
		Result:  "string",
		Doc:     "The string with A to Z in lower case.",
		Example: `server.log("OK".tolower());   // → ok`,
	}, {
		Name:    "string.toupper",
		Result:  "string",
		Doc:     "The string with a to z in upper case.",
		Example: `server.log("ok".toupper());   // → OK`,
	}, {
		Name:   "string.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the string.",
		Example: "local s = \"text\";\n" +
			"server.log(s.weakref().ref());   // → text",
	},
}

var arrayMethods = []imp.Function{
	{
		Name:    "array.len",
		Result:  "integer",
		Doc:     "The number of elements.",
		Example: `server.log([1, 2, 3].len());   // → 3`,
	}, {
		Name:   "array.append",
		Params: []imp.Param{need("value", "any", "")},
		Doc:    "Adds an element at the end.",
		Example: "local a = [1];\n" +
			"a.append(2);\n" +
			"server.log(a.len());   // → 2",
	}, {
		Name:   "array.push",
		Params: []imp.Param{need("value", "any", "")},
		Doc:    "Adds an element at the end, as append does.",
		Example: "local stack = [];\n" +
			"stack.push(\"a\");\n" +
			"server.log(stack.top());   // → a",
	}, {
		Name:   "array.extend",
		Params: []imp.Param{need("other", "array", "")},
		Doc:    "Adds the elements of another array at the end.",
		Example: "local a = [1];\n" +
			"a.extend([2, 3]);\n" +
			"server.log(a.len());   // → 3",
	}, {
		Name:    "array.pop",
		Result:  "any",
		Throws:  []string{"empty array"},
		Doc:     "Removes the last element and returns it.",
		Example: `server.log([1, 2].pop());   // → 2`,
	}, {
		Name:    "array.top",
		Result:  "any",
		Throws:  []string{"top() on a empty array"},
		Doc:     "The last element.",
		Example: `server.log([1, 2].top());   // → 2`,
	}, {
		Name: "array.insert",
		Params: []imp.Param{
			need("index", "number", "0 to the length"),
			need("value", "any", ""),
		},
		Throws: []string{"index out of range"},
		Doc:    "Inserts an element before the one at an index.",
		Example: "local a = [1, 3];\n" +
			"a.insert(1, 2);\n" +
			"server.log(a[1]);   // → 2",
	}, {
		Name:    "array.remove",
		Params:  []imp.Param{need("index", "number", "")},
		Result:  "any",
		Throws:  []string{"idx out of range"},
		Doc:     "Removes the element at an index and returns it.",
		Example: `server.log(["a", "b"].remove(0));   // → a`,
	}, {
		Name: "array.resize",
		Params: []imp.Param{
			need("size", "number", "number of elements"),
			may("fill", "any", "value of new elements; null when left out"),
		},
		Throws: []string{"resizing to negative length"},
		Doc:    "Makes the array longer or shorter.",
		Example: "local a = [1];\n" +
			"a.resize(3, 0);\n" +
			"server.log(a[2]);   // → 0",
	}, {
		Name: "array.reverse",
		Doc:  "Reverses the order of the elements, in place.",
		Example: "local a = [1, 2, 3];\n" +
			"a.reverse();\n" +
			"server.log(a[0]);   // → 3",
	}, {
		Name: "array.sort",
		Params: []imp.Param{
			may("compare", "function", "gets two elements; returns a number below, equal to or above 0"),
		},
		Throws: []string{"inconsistent compare function", "compare func failed"},
		Doc:    "Sorts the elements in place. The order of equal elements may change.",
		Example: "local a = [3, 1, 2];\n" +
			"a.sort(@(x, y) y <=> x);\n" +
			"server.log(a[0]);   // → 3",
	}, {
		Name: "array.slice",
		Params: []imp.Param{
			may("start", "number", "index of the first element; 0 when left out"),
			may("end", "number", "index after the last element; the length when left out"),
		},
		Result:  "array",
		Throws:  []string{"wrong indexes", "slice out of range"},
		Doc:     "A copy of a part. A negative index counts from the end.",
		Example: `server.log([1, 2, 3, 4].slice(-2)[0]);   // → 3`,
	}, {
		Name: "array.clear",
		Doc:  "Removes all elements.",
		Example: "local a = [1, 2];\n" +
			"a.clear();\n" +
			"server.log(a.len());   // → 0",
	}, {
		Name:    "array.map",
		Params:  []imp.Param{need("change", "function", "gets an element, returns a new one")},
		Result:  "array",
		Doc:     "A new array of the function's results for each element.",
		Example: `server.log([1, 2, 3].map(@(x) x * x)[2]);   // → 9`,
	}, {
		Name:   "array.apply",
		Params: []imp.Param{need("change", "function", "gets an element, returns a new one")},
		Doc:    "Replaces each element by the function's result for it.",
		Example: "local a = [1, 2, 3];\n" +
			"a.apply(@(x) x + 1);\n" +
			"server.log(a[0]);   // → 2",
	}, {
		Name:    "array.reduce",
		Params:  []imp.Param{need("join", "function", "gets the result so far and the next element")},
		Result:  "any",
		Doc:     "Combines all elements from the first on; null when there is none.",
		Example: `server.log([1, 2, 3].reduce(@(sum, x) sum + x));   // → 6`,
	}, {
		Name:    "array.filter",
		Params:  []imp.Param{need("keep", "function", "gets an index and an element")},
		Result:  "array",
		Doc:     "A new array of the elements for which the function returns true.",
		Example: `server.log([5, 12, 8].filter(@(i, x) x > 6).len());   // → 2`,
	}, {
		Name:    "array.find",
		Params:  []imp.Param{need("value", "any", "")},
		Result:  "integer or null",
		Doc:     "The index of the first element that equals a value; null when there is none.",
		Example: `server.log(["a", "b"].find("b"));   // → 1`,
	}, {
		Name:   "array.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the array.",
		Example: "local a = [1, 2];\n" +
			"server.log(a.weakref().ref().len());   // → 2",
	}, {
		Name:    "array.tostring",
		Result:  "string",
		Doc:     "A text that distinguishes arrays, without their content; http.jsonencode shows that.",
		Example: `server.log([].tostring().slice(0, 8));   // → (array :`,
	},
}

var tableMethods = []imp.Function{
	{
		Name:    "table.len",
		Result:  "integer",
		Doc:     "The number of slots.",
		Example: `server.log({ a = 1, b = 2 }.len());   // → 2`,
	}, {
		Name:    "table.rawget",
		Params:  []imp.Param{need("key", "any", "")},
		Result:  "any",
		Throws:  []string{"the index doesn't exist"},
		Doc:     "The value of a slot, without the delegate.",
		Example: `server.log({ a = 1 }.rawget("a"));   // → 1`,
	}, {
		Name: "table.rawset",
		Params: []imp.Param{
			need("key", "any", ""),
			need("value", "any", ""),
		},
		Throws: []string{"null key"},
		Doc:    "Creates or overwrites a slot, without the delegate.",
		Example: "local t = {};\n" +
			"t.rawset(\"a\", 1);\n" +
			"server.log(t.a);   // → 1",
	}, {
		Name:    "table.rawdelete",
		Params:  []imp.Param{need("key", "any", "")},
		Result:  "any",
		Doc:     "Removes a slot and returns its value; null when there is none.",
		Example: `server.log({ a = 1 }.rawdelete("a"));   // → 1`,
	}, {
		Name:    "table.rawin",
		Params:  []imp.Param{need("key", "any", "")},
		Result:  "bool",
		Doc:     "Whether the table itself has a slot; the delegate does not count.",
		Example: `server.log({ a = 1 }.rawin("b"));   // → false`,
	}, {
		Name: "table.clear",
		Doc:  "Removes all slots.",
		Example: "local t = { a = 1 };\n" +
			"t.clear();\n" +
			"server.log(t.len());   // → 0",
	}, {
		Name:   "table.setdelegate",
		Params: []imp.Param{need("delegate", "t|o", "null removes it")},
		Result: "table",
		Throws: []string{"delagate cycle"},
		Doc:    "Sets the table in which missing slots and metamethods are looked up. The result is this table.",
		Example: "local defaults = { period = 60 };\n" +
			"local settings = { label = \"kitchen\" }.setdelegate(defaults);\n" +
			"server.log(settings.period);   // → 60",
	}, {
		Name:    "table.getdelegate",
		Result:  "table or null",
		Doc:     "The table's delegate.",
		Example: `server.log({}.getdelegate() == null);   // → true`,
	}, {
		Name:   "table.weakref",
		Result: "weak reference",
		Doc:    "A weak reference to the table.",
		Example: "local t = { a = 1 };\n" +
			"server.log(t.weakref().ref().a);   // → 1",
	}, {
		Name:   "table.tostring",
		Result: "string",
		Doc:    "The result of the delegate's _tostring, or a text that distinguishes tables.",
		Example: "local t = {}.setdelegate({ _tostring = @() \"a lamp\" });\n" +
			"server.log(t.tostring());   // → a lamp",
	},
}

var blobMethods = []imp.Function{
	{
		Name:   "blob",
		Params: []imp.Param{may("size", "number", "bytes, all zero; 0 when left out")},
		Result: "blob",
		Throws: []string{"cannot create blob with negative size"},
		Doc:    "Makes a blob. It grows when it is written to.",
		Example: "local b = blob(2);\n" +
			"b[0] = 0x48;\n" +
			"server.log(b.len());   // → 2",
	}, {
		Name:    "blob.len",
		Result:  "integer",
		Doc:     "The number of bytes.",
		Example: `server.log(blob(16).len());   // → 16`,
	}, {
		Name:   "blob.tell",
		Result: "integer",
		Doc:    "The position at which the next byte is read or written.",
		Example: "local b = blob();\n" +
			"b.writestring(\"abc\");\n" +
			"server.log(b.tell());   // → 3",
	}, {
		Name: "blob.seek",
		Params: []imp.Param{
			need("offset", "number", "bytes"),
			may("origin", "number", "'b' from the beginning, the default, 'c' from the position, 'e' from the end"),
		},
		Result: "integer",
		Throws: []string{"invalid origin"},
		Doc:    "Sets the position. The result is 0, or -1 when it would be outside.",
		Example: "local b = blob(4);\n" +
			"b.seek(-1, 'e');\n" +
			"server.log(b.tell());   // → 3",
	}, {
		Name:   "blob.eos",
		Result: "integer or null",
		Doc:    "1 when the position is at the end, otherwise null.",
		Example: "local b = blob();\n" +
			"b.writestring(\"ab\");\n" +
			"b.seek(0);\n" +
			"while (!b.eos()) server.log(b.readn('b'));   // → 97\n" +
			"// → 98",
	}, {
		Name:    "blob.flush",
		Result:  "integer",
		Doc:     "Has no effect; it exists because streams have it. The result is 1.",
		Example: `blob(4).flush();`,
	}, {
		Name: "blob.readn",
		Params: []imp.Param{
			need("format", "number", "'i' 32 bits, 's' 16 bits, 'w' 16 bits unsigned, "+
				"'c' 8 bits, 'b' 8 bits unsigned, 'f' float, 'd' float of 64 bits"),
		},
		Result: "integer or float",
		Throws: []string{"io error", "invalid format"},
		Doc:    "Reads a number, little-endian.",
		Example: "local b = blob(4);\n" +
			"b[1] = 2;\n" +
			"server.log(b.readn('i'));   // → 512",
	}, {
		Name: "blob.writen",
		Params: []imp.Param{
			need("value", "any", "a value that is not a number is written as 0"),
			need("format", "number", "as for readn"),
		},
		Throws: []string{"invalid format"},
		Doc:    "Writes a number, little-endian.",
		Example: "local b = blob();\n" +
			"b.writen(258, 'w');\n" +
			"server.log(b[0] + \" \" + b[1]);   // → 2 1",
	}, {
		Name:    "blob.readblob",
		Params:  []imp.Param{need("count", "number", "bytes at most")},
		Result:  "blob",
		Throws:  []string{"no data left to read"},
		Doc:     "Reads bytes as a new blob.",
		Example: `server.log(blob(8).readblob(3).len());   // → 3`,
	}, {
		Name:    "blob.writeblob",
		Params:  []imp.Param{need("source", "instance", "a blob")},
		Result:  "integer",
		Throws:  []string{"invalid parameter"},
		Doc:     "Writes all bytes of another blob. The result is their number.",
		Example: `server.log(blob().writeblob(blob(5)));   // → 5`,
	}, {
		Name:   "blob.readstring",
		Params: []imp.Param{need("count", "number", "bytes at most")},
		Result: "string",
		Throws: []string{"no data left to read"},
		Doc:    "Reads bytes as a string.",
		Source: impSquirrel,
		Example: "local b = blob();\n" +
			"b.writestring(\"hello\");\n" +
			"b.seek(1);\n" +
			"server.log(b.readstring(3));   // → ell",
	}, {
		Name:   "blob.writestring",
		Params: []imp.Param{need("text", "string", "")},
		Doc:    "Writes the bytes of a string.",
		Source: impSquirrel,
		Example: "local b = blob();\n" +
			"b.writestring(\"hello\");\n" +
			"server.log(b.len());   // → 5",
	}, {
		Name:   "blob.tostring",
		Result: "string",
		Doc:    "All bytes as a string.",
		Source: impSquirrel,
		Example: "local b = blob();\n" +
			"b.writestring(\"on\");\n" +
			"server.log(b.tostring());   // → on",
	}, {
		Name:   "blob.resize",
		Params: []imp.Param{need("size", "number", "bytes")},
		Throws: []string{"resize failed"},
		Doc:    "Sets the capacity in bytes. Content beyond it is cut off.",
		Example: "local b = blob(8);\n" +
			"b.resize(4);\n" +
			"server.log(b.len());   // → 4",
	}, {
		Name: "blob.swap2",
		Doc:  "Swaps the two bytes of every pair.",
		Example: "local b = blob();\n" +
			"b.writestring(\"abcd\");\n" +
			"b.swap2();\n" +
			"server.log(b.tostring());   // → badc",
	}, {
		Name: "blob.swap4",
		Doc:  "Reverses the order of the bytes in every group of four.",
		Example: "local b = blob();\n" +
			"b.writestring(\"abcd\");\n" +
			"b.swap4();\n" +
			"server.log(b.tostring());   // → dcba",
	}, {
		Name:    "blob._get",
		Params:  []imp.Param{need("index", "number", "")},
		Result:  "integer",
		Throws:  []string{"index out of range"},
		Doc:     "Implements reading blob[index]: a byte, 0 to 255.",
		Example: `server.log(blob(1)[0]);   // → 0`,
	}, {
		Name: "blob._set",
		Params: []imp.Param{
			need("index", "number", ""),
			need("value", "n|s", "a number, whose lowest byte is stored, or a string of one character"),
		},
		Result: "number or string",
		Throws: []string{"index out of range", "a byte is an integer or a string of one character"},
		Doc:    "Implements blob[index] = value.",
		Source: impDocs + "2308",
		Example: "local b = blob(1);\n" +
			"b[0] = 255;\n" +
			"server.log(b[0]);   // → 255",
	}, {
		Name:   "blob._nexti",
		Params: []imp.Param{need("index", "any", "null at the beginning")},
		Result: "integer or null",
		Doc:    "Implements foreach, over indices and bytes.",
		Example: "foreach (i, byte in blob(2)) server.log(i + \": \" + byte);   // → 0: 0\n" +
			"// → 1: 0",
	}, {
		Name:   "blob._tostring",
		Result: "string",
		Doc:    "Implements conversion to text: the blob's bytes.",
		Source: impSquirrel,
		Example: "local b = blob();\n" +
			"b.writestring(\"on\");\n" +
			"server.log(\"switch \" + b);   // → switch on",
	}, {
		Name:   "blob._cloned",
		Params: []imp.Param{need("original", "instance", "")},
		Doc:    "Implements clone, which copies the bytes.",
		Example: "local a = blob(1), b = clone a;\n" +
			"b[0] = 1;\n" +
			"server.log(a[0]);   // → 0",
	},
}

var regexpMethods = []imp.Function{
	{
		Name:   "regexp",
		Params: []imp.Param{need("pattern", "string", "in the syntax of the Squirrel manual")},
		Result: "regexp",
		Throws: []string{"the pattern is malformed"},
		Doc:    "Makes a regular expression.",
		Example: "local re = regexp(@\"\\d+\");\n" +
			"server.log(re.match(\"2026\"));   // → true",
	}, {
		Name:    "regexp.match",
		Params:  []imp.Param{need("text", "string", "")},
		Result:  "bool",
		Doc:     "Whether the whole text matches.",
		Example: `server.log(regexp("on|off").match("off"));   // → true`,
	}, {
		Name: "regexp.search",
		Params: []imp.Param{
			need("text", "string", ""),
			may("start", "number", "the index to begin at; 0 when left out"),
		},
		Result: "table or null",
		Doc: "The place of the first match: a table with its begin and its end, the index after it. " +
			"Null when there is none.",
		Example: "local m = regexp(@\"\\d+\").search(\"room 12\");\n" +
			"server.log(m.begin + \" to \" + m.end);   // → 5 to 7",
	}, {
		Name: "regexp.capture",
		Params: []imp.Param{
			need("text", "string", ""),
			may("start", "number", "the index to begin at; 0 when left out"),
		},
		Result: "array or null",
		Doc:    "The places of the first match and its groups: an array of tables as search returns them, the match first.",
		Example: "local text = \"t=21\", m = regexp(@\"(\\w+)=(\\d+)\").capture(text);\n" +
			"server.log(text.slice(m[2].begin, m[2].end));   // → 21",
	}, {
		Name:    "regexp.subexpcount",
		Result:  "integer",
		Doc:     "The number of groups, including the whole match.",
		Example: `server.log(regexp("(a)(b)").subexpcount());   // → 3`,
	},
}
