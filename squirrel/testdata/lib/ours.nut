// What the original does otherwise, does not have, or crashes on.
function p(l, f) { try { print(l + " => " + show(f()) + "\n"); } catch (e) { print(l + " !! " + e + "\n"); } }
function show(x) {
	if (type(x) == "null") return "null";
	if (type(x) == "string") return "\"" + x + "\"";
	if (type(x) == "array") { local s = "["; foreach (i, v in x) s += (i ? "," : "") + show(v); return s + "]"; }
	if (typeof x == "blob") { local s = "<"; foreach (v in x) s += format("%02x", v); return s + ">@" + x.tell(); }
	if (type(x) == "float") return x + "f";
	return "" + x;
}
p("blob tostring", function() { local b = blob(); b.writestring("hello"); return [b, b.tostring(), b.tostring().len()]; });
p("blob readstring", function() { local b = blob(); b.writestring("hello world"); b.seek(0); return [b.readstring(5), b.readstring(0), b.readstring(100), b.tell()]; });
p("blob readstring end", @() blob().readstring(1));
p("blob readstring negative", @() blob(3).readstring(-1));
p("blob readblob negative", @() blob(3).readblob(-1));
p("blob writestring", function() { local b = blob(2); b.seek(1); return [b.writestring("ab\0c"), b, b.len()]; });
p("blob writestring type", @() blob().writestring(1));
p("blob writen other", function() { local b = blob(); b.writen("x", 'w'); b.writen(null, 'b'); return b; });
p("blob foreach empty", @() blob());
p("blob resize negative", @() blob().resize(-1));
p("blob instance", @() blob.instance().len());
p("blob instance 2", @() blob.instance()[0]);
p("blob derived, no base", function() { local B = class extends blob { constructor() { } }; return B().len(); });
p("swap2", @() [swap2(0x8081), swap2(0x1234)]);
p("blob set string", function() { local b = blob(2); b[1] = "A"; return [b, b[1]]; });
p("blob set text", function() { local b = blob(2); b[1] = "AB"; });
p("hexadecimal", @() ["0x10".tointeger(), "0xFF".tofloat(), "-0x1e x".tointeger(), "0x1FFFFFFFF".tointeger()]);
p("array", @() array(-1));
p("array resize", @() [].resize(-1));
p("array slice before", @() [1, 2].slice(-3));
p("string slice before", @() "ab".slice(-3));
p("string find NUL", @() ["a\0bc".find("c"), "a\0bc".find("\0b")]);
p("string char", @() ["abc"[-1], "abc"[-3]]);
p("string char before", @() "abc"[-4]);
p("sort shrinks", function() { local a = [4, 3, 2, 1]; a.sort(function(x, y) { if (a.len() > 2) a.pop(); return x <=> y; }); });
p("sort grows", function() { local a = [2, 1], n = 5; a.sort(function(x, y) { if (n-- > 0) a.append(0); return x <=> y; }); return a; });
p("map shrinks", function() { local a = [1, 2, 3]; return a.map(function(x) { a.resize(1); return x; }); });
p("apply shrinks", function() { local a = [1, 2, 3]; a.apply(function(x) { a.resize(1); return 7; }); return a; });
p("filter shrinks", function() { local a = [1, 2, 3]; return a.filter(function(i, x) { a.resize(1); return true; }); });
p("reduce shrinks", function() { local a = ["a", "b", "c"]; return a.reduce(function(x, y) { a.resize(1); return x + "," + y; }); });
p("acall none", @() (@() 1).acall([]));
p("acall many", @() (function(...) { return vargv.len(); }).acall(array(200)));
p("acall too many", @() (function(...) { return vargv.len(); }).acall(array(5000)));
p("call deep", function() { local f; f = function(n) { return n ? f.call(this, n - 1) : "bottom"; }; return f(1000); });
p("call through", @() (@(x) x).call.call(@(x) x + 1, this, 5));
p("map of natives", @() ["b", "a"].map(type));
p("sort by native", function() { local a = [2, 1]; a.sort(@(x, y) abs(x) - abs(y)); return a; });
p("bindenv strong", function() { local f = (function() { return this.x; }).bindenv({ x = 42 }); collectgarbage(); return f(); });
p("bindenv native", function() { local a = [], t = { x = 1, y = 2 }; local n = t.len.bindenv(t); return [n(), n.call(a), n.bindenv({ })(), n.getinfos().name]; });
p("bindenv wrong", function() { local n = [].len.bindenv({ }); return n(); });
p("yield in map", function() { local g = (function() { local r = [1, 2].map(@(x) x + 1); yield r; })(); return resume g; });
p("throw in filter", function() { try { [1].filter(function(i, v) { throw { code = 5 }; }); } catch (e) { return e.code; } });
p("weakref kept", function() { local a = [1]; local w = a.weakref(); collectgarbage(); for (local i = 0; i < 2; i++); return w.ref() == a && a.weakref() == w; });
p("print tostring", function() { print({ }.setdelegate({ _tostring = function() { return [1].map(@(x) "m")[0]; } })); return ""; });
p("tostring throws", function() { print({ }.setdelegate({ _tostring = function() { throw "from _tostring"; } })); });
p("getstackinfos", function() {
	local f = function(a) { local b = 2; return getstackinfos(1); };
	local i = f(1);
	return [i.func, i.src, i.line, i.locals.a, i.locals.b, getstackinfos(0).func, getstackinfos(99)];
});
p("setroottable", function() { local old = getroottable(); local t = clone old; t.extra <- 1; setroottable(t); local r = extra; setroottable(old); return [r, "extra" in getroottable()]; });
p("time", @() [time(), date().usec, date().year, date(0).usec, clock(), typeof clock()]);
p("nan", @() [sqrt(-1), log10(-1), floor(0.0 / 0.0)]);
p("rand", function() { local low = 0, n = 2000; for (local i = 0; i < n; i++) { local r = rand(); if (r < 0) throw "negative"; if (r < RAND_MAX / 2) low++; } return low > n * 2 / 5 && low < n * 3 / 5; });
p("regexp derived, no base", function() { local R = class extends regexp { constructor() { } }; return R().match("a"); });
p("regexp wrong this", @() regexp("a").match.call(blob(), "a"));
p("regexp NUL", @() regexp("b").search("a\0b"));
p("blob as text", function() { local b = blob(); b.writestring("abc"); return "x" + b; });
