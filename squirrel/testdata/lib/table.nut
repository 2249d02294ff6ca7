// What tables, functions, classes, instances and generators do; like the
// original throughout.
function p(l, f) { try { print(l + " => " + show(f()) + "\n"); } catch (e) { print(l + " !! " + e + "\n"); } }
function show(x) {
	if (type(x) == "null") return "null";
	if (type(x) == "string") return "\"" + x + "\"";
	if (type(x) == "array") { local s = "["; foreach (i, v in x) s += (i ? "," : "") + show(v); return s + "]"; }
	if (type(x) == "table") { local s = "{", n = 0; foreach (i, v in x) s += (n++ ? "," : "") + i + "=" + show(v); return s + "}"; }
	if (type(x) == "float") return x + "f";
	return "" + x;
}
p("len", @() [{}.len(), { a = 1, b = 2 }.len(), { len = 3 }.len]);
p("rawget", @() [{ a = 1 }.rawget("a"), { [1] = 2 }.rawget(1)]);
p("rawget missing", @() { a = 1 }.rawget("b"));
p("rawget null", @() { a = 1 }.rawget(null));
p("rawget delegate", @() {}.setdelegate({ a = 1 }).rawget("a"));
p("rawset", function() { local t = {}.setdelegate({ a = 1, _newslot = function(k, v) { throw "newslot"; } }); return [t.rawset("a", 2), t.rawset(1, 3), t]; });
p("rawset null", @() {}.rawset(null, 1));
p("rawdelete", function() { local t = { a = 1 }; return [t.rawdelete("a"), t.rawdelete("a"), t.rawdelete(null), t]; });
p("rawin", function() { local t = { a = null }; return [t.rawin("a"), t.rawin("b"), t.rawin(null), t.setdelegate({ c = 1 }).rawin("c")]; });
p("clear", function() { local t = { a = 1, b = 2 }; return [t.clear(), t]; });
p("setdelegate", function() { local d = { f = @() "d" }, t = {}; return [t.setdelegate(d) == t, t.getdelegate() == d, t.f(), t.setdelegate(null).getdelegate()]; });
p("setdelegate type", @() {}.setdelegate([]));
p("setdelegate cycle", function() { local a = {}, b = {}, c = {}; a.setdelegate(b); b.setdelegate(c); c.setdelegate(a); });
p("setdelegate self", function() { local a = {}; a.setdelegate(a); });
p("tostring", @() { }.setdelegate({ _tostring = @() "T" }).tostring());
p("tostring wrong", @() { }.setdelegate({ _tostring = @() 5 }).tostring().slice(0, 9));
p("print", function() { print({ }.setdelegate({ _tostring = @() "printed " })); });
p("weakref", function() { local t = { a = 1 }; local w = t.weakref(); return [typeof w, w.ref().a, { w = w }.w.a, { w = w }.rawget("w").a, typeof w.weakref()]; });
p("call", function() { local f = function(a, b = 2) { return [this.x, a, b]; }; return [f.call({ x = 1 }, 5), f.pcall({ x = 1 }, 5, 6), f.acall([{ x = 3 }, 7]), f.pacall([{ x = 3 }, 7, 8])]; });
p("call none", @() (@() 1).call());
p("call args", @() (@() 1).call(this, 1));
p("acall type", @() (@() 1).acall(1));
p("call throws", @() (function() { throw "t"; }).call(this));
p("call native", @() ["hello".slice.call("world", 1, 3), [].len.acall([[1, 2]])]);
p("call class", @() (class { function f() { return "f" + x; } x = 1; }).f.call({ x = 5 }));
p("bindenv", function() { local f = function() { return this.x; }; local g = f.bindenv({ x = 1 }); return [g(), g.call({ x = 2 }), g.bindenv({ x = 3 })(), { x = 4, g = g }.g()]; });
p("bindenv keeps", function() { local n = 1; local f = function(a = 5) { n++; return [x, a, n]; }.bindenv({ x = 0 }); return [f(), f(1), n]; });
p("bindenv native", function() { local a = []; local push = a.push.bindenv({ len = 1 }.getdelegate() == null ? { } : { }); return typeof push; });
p("bindenv type", @() (@() 1).bindenv(1));
p("getinfos", function() { local i = (function(a, b = 7) { }).getinfos(); return [i.native, i.name, i.src != null, i.parameters, i.varargs, i.defparams]; });
p("getinfos varargs", function() { function f(a, ...) { } local i = f.getinfos(); return [i.name, i.parameters, i.varargs, i.defparams]; });
p("getinfos native", function() { local i = split.getinfos(); return [i.native, i.name, i.paramscheck, i.typecheck]; });
p("getinfos native 2", function() { local i = [].sort.getinfos(); return [i.name, i.paramscheck, i.typecheck]; });
p("function tostring", @() [(@() 1).tostring().slice(0, 10), print.tostring().slice(0, 10)]);
p("getstatus", function() { local g; g = (function() { yield g.getstatus(); })(); local r = [g.getstatus(), resume g, g.getstatus()]; resume g; r.append(g.getstatus()); return r; });
p("class", function() { local A = class { x = 1; static s = 2; f = @() 3; }; return [A.rawget("x"), A.rawget("s"), A.rawin("f"), A.rawin("g"), A.rawset("x", 5), A().x, A.getbase()]; });
p("class rawget", @() (class { }).rawget("a"));
p("class rawset null", @() (class { }).rawset(null, 1));
p("class base", function() { local A = class { }, B = class extends A { }; return [B.getbase() == A, B().getclass() == B]; });
p("instance", function() { local A = class { x = 1; constructor() { x = 2; } }; return [A.instance().x, A().x]; });
p("newmember", function() { local A = class { }; A.newmember("q", 5); A.newmember("s", 6, null, true); A.newmember("r", 7, { note = "n" }); return [A().q, A.s, A().r, A.getattributes("r").note, A.getattributes("q")]; });
p("newmember null", @() (class { }).newmember(null, 1));
p("newmember hook", function() {
	local log = [];
	local A = class { function _newmember(k, v, attrs, isStatic) { log.append([k, v, isStatic]); this.rawnewmember(k, v + 1, attrs, isStatic); } };
	A.newmember("a", 1);
	A.newmember("b", 2, null, true);
	return [log, A().a, A.b];
});
p("attributes", function() {
	local A = class </ c = 1 /> { </ m = 2 /> x = 0; y = 0; </ f = 3 /> function g() { } };
	return [A.getattributes(null).c, A.getattributes("x").m, A.getattributes("y"), A.getattributes("g").f, A.setattributes("x", 9).m, A.getattributes("x"), A.setattributes(null, 8).c, A.getattributes(null)];
});
p("attributes missing", @() (class { }).getattributes("x"));
p("setattributes missing", @() (class { }).setattributes("x", 1));
p("instance raw", function() { local A = class { x = 1; static s = 2; function f() { } function _get(k) { return "got"; } }; local a = A(); return [a.rawget("x"), a.rawget("s"), a.rawset("x", 3), a.x, a.rawin("f"), a.rawin("zz"), a.zz]; });
p("instance rawget", @() (class { })().rawget("x"));
p("instance rawset", @() (class { })().rawset("x", 1));
p("instance rawset method", @() (class { function f() { } })().rawset("f", 1));
p("instance tostring", @() (class { function _tostring() { return "I"; } })().tostring());
p("callee", function() { local f = function(n) { return n == 0 ? "end" : "r" + callee()(n - 1); }; return f(3); });
p("type", @() [type(null), type(1), type(1.0), type(""), type(true), type([]), type({}), type(print), type(@() 1), type(class { }), type((class { })())]);
p("assert", @() assert(1));
p("assert false", @() assert(0));
p("roottable", @() [getroottable() == this, "print" in getroottable(), _charsize_, _intsize_, _floatsize_, _version_, _versionnumber_]);
p("dummy", @() dummy(1, 2));
p("print none", @() print());
// Built-in methods are found before _get; what an inner _get or _set throws
// means that it does not have the slot.
p("get and methods", function() { local t = { a = 1 }.setdelegate({ _get = @(k) "dyn" }); return [t.len(), t.zz]; });
p("get chain", function() {
	local inner = { _get = function(k) { throw "inner " + k; }, _set = function(k, x) { throw "inner"; } }, set = [];
	local outer = { _get = @(k) "outer " + k, _set = function(k, x) { set.append(k); } }.setdelegate(inner);
	local t = {}.setdelegate(outer);
	t.y = 4;
	return [t.z, set];
});
p("get chain throws", function() { local d = { _get = function(k) { throw "d " + k; } }; return {}.setdelegate(d).z; });
p("get inner throws", function() { local d = { _get = function(k) { throw "d " + k; } }; return {}.setdelegate({}.setdelegate(d)).z; });
p("set inner throws", function() { local d = { _set = function(k, x) { throw "d " + k; } }; local t = {}.setdelegate({}.setdelegate(d)); t.z = 1; });
