package reference

import "github.com/tandem-iot/tandem/imp"

var stringMethods = []imp.Function{
	{
		Name: "string.len", Result: "integer",
		Doc: "How many bytes the string has. A letter beyond ASCII is more than one.", Example: `server.log("hello".len());   // → 5`,
	}, {
		Name: "string.tointeger", Result: "integer", Throws: []string{"cannot convert the string"},
		Doc: "The integer that the string begins with.", Example: `server.log("42".tointeger() + 1);   // → 43`,
	}, {
		Name: "string.tofloat", Result: "float", Throws: []string{"cannot convert the string"},
		Doc: "The number that the string begins with, as a float.", Example: `server.log("21.5".tofloat() * 2);   // → 43`,
	}, {
		Name: "string.tostring", Result: "string",
		Doc: "The string itself.", Example: `server.log("on".tostring());   // → on`,
	}, {
		Name: "string.slice", Params: []imp.Param{may("start", "number", "index of the first byte; 0 when left out"), may("end", "number", "index after the last byte; the length when left out")}, Result: "string",
		Throws: []string{"wrong indexes", "slice out of range"},
		Doc:    "A part of the string. A negative index counts from the end.", Example: "server.log(\"temperature\".slice(0, 4));   // → temp\nserver.log(\"log.txt\".slice(-3));          // → txt",
	}, {
		Name: "string.find", Params: []imp.Param{need("text", "string", "to look for"), may("start", "number", "the index to begin at; 0 when left out")}, Result: "integer or null",
		Doc: "Where the text is first found; null when it is not.", Example: `if ("on,off".find("off") != null) server.log("found");   // → found`,
	}, {
		Name: "string.tolower", Result: "string",
		Doc: "The string with A to Z as small letters.", Example: `server.log("OK".tolower());   // → ok`,
	}, {
		Name: "string.toupper", Result: "string",
		Doc: "The string with a to z as capitals.", Example: `server.log("ok".toupper());   // → OK`,
	}, {
		Name: "string.weakref", Result: "weak reference",
		Doc: "A weak reference to the string.", Example: "local s = \"text\";\nserver.log(s.weakref().ref());   // → text",
	},
}

var arrayMethods = []imp.Function{
	{
		Name: "array.len", Result: "integer",
		Doc: "How many elements there are.", Example: `server.log([1, 2, 3].len());   // → 3`,
	}, {
		Name: "array.append", Params: []imp.Param{need("value", "any", "")},
		Doc: "Adds an element at the end.", Example: "local a = [1];\na.append(2);\nserver.log(a.len());   // → 2",
	}, {
		Name: "array.push", Params: []imp.Param{need("value", "any", "")},
		Doc: "Adds an element at the end, as append does.", Example: "local stack = [];\nstack.push(\"a\");\nserver.log(stack.top());   // → a",
	}, {
		Name: "array.extend", Params: []imp.Param{need("other", "array", "")},
		Doc: "Adds the elements of another array at the end.", Example: "local a = [1];\na.extend([2, 3]);\nserver.log(a.len());   // → 3",
	}, {
		Name: "array.pop", Result: "any", Throws: []string{"empty array"},
		Doc: "Removes the last element and gives it.", Example: `server.log([1, 2].pop());   // → 2`,
	}, {
		Name: "array.top", Result: "any", Throws: []string{"top() on a empty array"},
		Doc: "The last element.", Example: `server.log([1, 2].top());   // → 2`,
	}, {
		Name: "array.insert", Params: []imp.Param{need("index", "number", "0 to the length"), need("value", "any", "")}, Throws: []string{"index out of range"},
		Doc: "Puts an element before the one at an index.", Example: "local a = [1, 3];\na.insert(1, 2);\nserver.log(a[1]);   // → 2",
	}, {
		Name: "array.remove", Params: []imp.Param{need("index", "number", "")}, Result: "any", Throws: []string{"idx out of range"},
		Doc: "Removes the element at an index and gives it.", Example: `server.log(["a", "b"].remove(0));   // → a`,
	}, {
		Name: "array.resize", Params: []imp.Param{need("size", "number", "how many elements"), may("fill", "any", "what new elements are; null when left out")}, Throws: []string{"resizing to negative length"},
		Doc: "Makes the array longer or shorter.", Example: "local a = [1];\na.resize(3, 0);\nserver.log(a[2]);   // → 0",
	}, {
		Name: "array.reverse",
		Doc:  "Turns the order of the elements round, in place.", Example: "local a = [1, 2, 3];\na.reverse();\nserver.log(a[0]);   // → 3",
	}, {
		Name: "array.sort", Params: []imp.Param{may("compare", "function", "gets two elements; gives a number below, at or above 0")}, Throws: []string{"inconsistent compare function", "compare func failed"},
		Doc: "Sorts the elements in place. The order of equal ones may change.", Example: "local a = [3, 1, 2];\na.sort(@(x, y) y <=> x);\nserver.log(a[0]);   // → 3",
	}, {
		Name: "array.slice", Params: []imp.Param{may("start", "number", "index of the first element; 0 when left out"), may("end", "number", "index after the last element; the length when left out")}, Result: "array",
		Throws: []string{"wrong indexes", "slice out of range"},
		Doc:    "A copy of a part. A negative index counts from the end.", Example: `server.log([1, 2, 3, 4].slice(-2)[0]);   // → 3`,
	}, {
		Name: "array.clear",
		Doc:  "Removes all elements.", Example: "local a = [1, 2];\na.clear();\nserver.log(a.len());   // → 0",
	}, {
		Name: "array.map", Params: []imp.Param{need("change", "function", "gets an element, gives a new one")}, Result: "array",
		Doc: "A new array of what the function makes of each element.", Example: `server.log([1, 2, 3].map(@(x) x * x)[2]);   // → 9`,
	}, {
		Name: "array.apply", Params: []imp.Param{need("change", "function", "gets an element, gives a new one")},
		Doc: "Replaces each element by what the function makes of it.", Example: "local a = [1, 2, 3];\na.apply(@(x) x + 1);\nserver.log(a[0]);   // → 2",
	}, {
		Name: "array.reduce", Params: []imp.Param{need("join", "function", "gets what came of those before and an element")}, Result: "any",
		Doc: "Joins all elements from the first on; null when there is none.", Example: `server.log([1, 2, 3].reduce(@(sum, x) sum + x));   // → 6`,
	}, {
		Name: "array.filter", Params: []imp.Param{need("keep", "function", "gets an index and an element")}, Result: "array",
		Doc: "A new array of the elements for which the function is true.", Example: `server.log([5, 12, 8].filter(@(i, x) x > 6).len());   // → 2`,
	}, {
		Name: "array.find", Params: []imp.Param{need("value", "any", "")}, Result: "integer or null",
		Doc: "Where a value is first found; null when it is not.", Example: `server.log(["a", "b"].find("b"));   // → 1`,
	}, {
		Name: "array.weakref", Result: "weak reference",
		Doc: "A weak reference to the array.", Example: "local a = [1, 2];\nserver.log(a.weakref().ref().len());   // → 2",
	}, {
		Name: "array.tostring", Result: "string",
		Doc: "A text that tells arrays apart, not their content: that is for http.jsonencode.", Example: `server.log([].tostring().slice(0, 8));   // → (array :`,
	},
}

var tableMethods = []imp.Function{
	{
		Name: "table.len", Result: "integer",
		Doc: "How many slots there are.", Example: `server.log({ a = 1, b = 2 }.len());   // → 2`,
	}, {
		Name: "table.rawget", Params: []imp.Param{need("key", "any", "")}, Result: "any", Throws: []string{"the index doesn't exist"},
		Doc: "The value of a slot, without asking the delegate.", Example: `server.log({ a = 1 }.rawget("a"));   // → 1`,
	}, {
		Name: "table.rawset", Params: []imp.Param{need("key", "any", ""), need("value", "any", "")}, Throws: []string{"null key"},
		Doc: "Makes or overwrites a slot, without asking the delegate.", Example: "local t = {};\nt.rawset(\"a\", 1);\nserver.log(t.a);   // → 1",
	}, {
		Name: "table.rawdelete", Params: []imp.Param{need("key", "any", "")}, Result: "any",
		Doc: "Removes a slot and gives its value; null when there is none.", Example: `server.log({ a = 1 }.rawdelete("a"));   // → 1`,
	}, {
		Name: "table.rawin", Params: []imp.Param{need("key", "any", "")}, Result: "bool",
		Doc: "Whether there is a slot, without asking the delegate.", Example: `server.log({ a = 1 }.rawin("b"));   // → false`,
	}, {
		Name: "table.clear",
		Doc:  "Removes all slots.", Example: "local t = { a = 1 };\nt.clear();\nserver.log(t.len());   // → 0",
	}, {
		Name: "table.setdelegate", Params: []imp.Param{need("delegate", "t|o", "null removes it")}, Result: "table", Throws: []string{"delagate cycle"},
		Doc: "Sets the table that is asked for what this one does not have, and for metamethods. The result is this table.", Example: "local defaults = { period = 60 };\nlocal settings = { label = \"kitchen\" }.setdelegate(defaults);\nserver.log(settings.period);   // → 60",
	}, {
		Name: "table.getdelegate", Result: "table or null",
		Doc: "The table's delegate.", Example: `server.log({}.getdelegate() == null);   // → true`,
	}, {
		Name: "table.weakref", Result: "weak reference",
		Doc: "A weak reference to the table.", Example: "local t = { a = 1 };\nserver.log(t.weakref().ref().a);   // → 1",
	}, {
		Name: "table.tostring", Result: "string",
		Doc: "What the delegate's _tostring gives, or a text that tells tables apart.", Example: "local t = {}.setdelegate({ _tostring = @() \"a lamp\" });\nserver.log(t.tostring());   // → a lamp",
	},
}

var blobMethods = []imp.Function{
	{
		Name: "blob", Params: []imp.Param{may("size", "number", "bytes, all zero; 0 when left out")}, Result: "blob", Throws: []string{"cannot create blob with negative size"},
		Doc: "Makes a blob. It grows as it is written to.", Example: "local b = blob(2);\nb[0] = 0x48;\nserver.log(b.len());   // → 2",
	}, {
		Name: "blob.len", Result: "integer",
		Doc: "How many bytes there are.", Example: `server.log(blob(16).len());   // → 16`,
	}, {
		Name: "blob.tell", Result: "integer",
		Doc: "The position at which the next byte is read or written.", Example: "local b = blob();\nb.writestring(\"abc\");\nserver.log(b.tell());   // → 3",
	}, {
		Name: "blob.seek", Params: []imp.Param{need("offset", "number", "bytes"), may("origin", "number", "'b' from the beginning, which is usual, 'c' from the position, 'e' from the end")}, Result: "integer", Throws: []string{"invalid origin"},
		Doc: "Sets the position. The result is 0, or -1 when it would be outside.", Example: "local b = blob(4);\nb.seek(-1, 'e');\nserver.log(b.tell());   // → 3",
	}, {
		Name: "blob.eos", Result: "integer or null",
		Doc: "1 when the position is at the end, else null.", Example: "local b = blob();\nb.writestring(\"ab\");\nb.seek(0);\nwhile (!b.eos()) server.log(b.readn('b'));   // → 97\n// → 98",
	}, {
		Name: "blob.flush", Result: "integer",
		Doc: "Does nothing; it is there because streams have it. The result is 1.", Example: `blob(4).flush();`,
	}, {
		Name: "blob.readn", Params: []imp.Param{need("format", "number", "'i' 32 bits, 's' 16 bits, 'w' 16 bits without a sign, 'c' 8 bits, 'b' 8 bits without a sign, 'f' float, 'd' float of 64 bits")}, Result: "integer or float", Throws: []string{"io error", "invalid format"},
		Doc: "Reads a number, little-endian.", Example: "local b = blob(4);\nb[1] = 2;\nserver.log(b.readn('i'));   // → 512",
	}, {
		Name: "blob.writen", Params: []imp.Param{need("value", "any", "what is no number is written as 0"), need("format", "number", "as for readn")}, Throws: []string{"invalid format"},
		Doc: "Writes a number, little-endian.", Example: "local b = blob();\nb.writen(258, 'w');\nserver.log(b[0] + \" \" + b[1]);   // → 2 1",
	}, {
		Name: "blob.readblob", Params: []imp.Param{need("count", "number", "bytes at most")}, Result: "blob", Throws: []string{"no data left to read"},
		Doc: "Reads bytes as a new blob.", Example: `server.log(blob(8).readblob(3).len());   // → 3`,
	}, {
		Name: "blob.writeblob", Params: []imp.Param{need("source", "instance", "a blob")}, Result: "integer", Throws: []string{"invalid parameter"},
		Doc: "Writes all bytes of another blob. The result is how many.", Example: `server.log(blob().writeblob(blob(5)));   // → 5`,
	}, {
		Name: "blob.readstring", Params: []imp.Param{need("count", "number", "bytes at most")}, Result: "string", Throws: []string{"no data left to read"},
		Doc: "Reads bytes as a string.", Source: impSquirrel, Example: "local b = blob();\nb.writestring(\"hello\");\nb.seek(1);\nserver.log(b.readstring(3));   // → ell",
	}, {
		Name: "blob.writestring", Params: []imp.Param{need("text", "string", "")},
		Doc: "Writes the bytes of a string.", Source: impSquirrel, Example: "local b = blob();\nb.writestring(\"hello\");\nserver.log(b.len());   // → 5",
	}, {
		Name: "blob.tostring", Result: "string",
		Doc: "All bytes as a string.", Source: impSquirrel, Example: "local b = blob();\nb.writestring(\"on\");\nserver.log(b.tostring());   // → on",
	}, {
		Name: "blob.resize", Params: []imp.Param{need("size", "number", "bytes")}, Throws: []string{"resize failed"},
		Doc: "Sets for how many bytes there is room. What is beyond it is cut off.", Example: "local b = blob(8);\nb.resize(4);\nserver.log(b.len());   // → 4",
	}, {
		Name: "blob.swap2",
		Doc:  "Swaps the bytes of every pair.", Example: "local b = blob();\nb.writestring(\"abcd\");\nb.swap2();\nserver.log(b.tostring());   // → badc",
	}, {
		Name: "blob.swap4",
		Doc:  "Turns round the bytes of every four.", Example: "local b = blob();\nb.writestring(\"abcd\");\nb.swap4();\nserver.log(b.tostring());   // → dcba",
	}, {
		Name: "blob._get", Params: []imp.Param{need("index", "number", "")}, Result: "integer", Throws: []string{"index out of range"},
		Doc: "What blob[index] reads: a byte, 0 to 255.", Example: `server.log(blob(1)[0]);   // → 0`,
	}, {
		Name: "blob._set", Params: []imp.Param{need("index", "number", ""), need("value", "number", "its lowest byte is kept")}, Result: "number", Throws: []string{"index out of range"},
		Doc: "What blob[index] = value does.", Example: "local b = blob(1);\nb[0] = 255;\nserver.log(b[0]);   // → 255",
	}, {
		Name: "blob._nexti", Params: []imp.Param{need("index", "any", "null at the beginning")}, Result: "integer or null",
		Doc: "What foreach goes by: indices and bytes.", Example: "foreach (i, byte in blob(2)) server.log(i + \": \" + byte);   // → 0: 0\n// → 1: 0",
	}, {
		Name: "blob._tostring", Result: "string",
		Doc: "What the blob is as text: its bytes.", Source: impSquirrel, Example: "local b = blob();\nb.writestring(\"on\");\nserver.log(\"switch \" + b);   // → switch on",
	}, {
		Name: "blob._cloned", Params: []imp.Param{need("original", "instance", "")},
		Doc: "What clone does: the bytes are copied.", Example: "local a = blob(1), b = clone a;\nb[0] = 1;\nserver.log(a[0]);   // → 0",
	},
}

var regexpMethods = []imp.Function{
	{
		Name: "regexp", Params: []imp.Param{need("pattern", "string", "as the Squirrel manual describes it")}, Result: "regexp", Throws: []string{"the pattern is malformed"},
		Doc: "Makes a regular expression.", Example: "local re = regexp(@\"\\d+\");\nserver.log(re.match(\"2026\"));   // → true",
	}, {
		Name: "regexp.match", Params: []imp.Param{need("text", "string", "")}, Result: "bool",
		Doc: "Whether the whole text matches.", Example: `server.log(regexp("on|off").match("off"));   // → true`,
	}, {
		Name: "regexp.search", Params: []imp.Param{need("text", "string", ""), may("start", "number", "the index to begin at; 0 when left out")}, Result: "table or null",
		Doc: "Where the first match is: a table with its begin and end, which is the index after it. Null when there is none.", Example: "local m = regexp(@\"\\d+\").search(\"room 12\");\nserver.log(m.begin + \" to \" + m.end);   // → 5 to 7",
	}, {
		Name: "regexp.capture", Params: []imp.Param{need("text", "string", ""), may("start", "number", "the index to begin at; 0 when left out")}, Result: "array or null",
		Doc: "Where the first match and its groups are: an array of tables as search gives them, the match's first.", Example: "local text = \"t=21\", m = regexp(@\"(\\w+)=(\\d+)\").capture(text);\nserver.log(text.slice(m[2].begin, m[2].end));   // → 21",
	}, {
		Name: "regexp.subexpcount", Result: "integer",
		Doc: "How many groups there are, the whole counted.", Example: `server.log(regexp("(a)(b)").subexpcount());   // → 3`,
	},
}
