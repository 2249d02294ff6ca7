// The language itself: classes, generators, closures, control flow. The outputs
// are those of the 3.0.4 reference, but for s[-1] and how null prints.
function p(l, f) { local r; try { r = f() } catch (e) { r = "ERR " + e } print(l + " => " + r + "\n") }
class A { static s = [1]; x = 1; y = null; arr = [1]
 constructor(...) { x = vargv.len() > 0 ? vargv[0] : 5; y = vargv.len() }
 function f() { return "A.f " + x } function g() { return f() } static function sf() { return typeof this + s.len() } }
class B extends A { x = 2; function f() { return "B." + base.f() } constructor(a) { base.constructor(a * 2, 1, 2) } function h() { return base.g() } function k() { return (@() base.f())() } }
class C extends B { function f() { return "C." + base.f() } }
p("A", @() A().f() + A(3).y)
p("B", @() B(4).f() + " " + B(4).g() + " " + B(4).h() + " " + B(4).y)
p("C", @() C(4).f() + C(4).h())
p("k", @() B(1).k())
p("sf", @() A.sf() + B(1).sf())
p("shared", function() { local a = A(), b = A(); a.arr.append(2); return b.arr.len() })
p("base of class", @() (C.getbase() == B) + " " + A.getbase())
p("A2", @() A(1,2,3,4).y)
p("no ctor args", @() (class { z = 1 })(1, 2, 3).z)
p("B no arg", @() B())
p("newmember", function() { A.nm <- function() { return "nm" + x }; return A().nm() })
p("field after inst", function() { A.nf <- 5; return A().nf })
p("static after inst", function() { A.s = 1; return A.s })
p("class set", function() { A.x = 9; return 1 })
p("attrs", function() { local K = class </ t = "x" /> { </ d = 1 /> m = 2; </ e = 3 /> function q() {} }; return K.getattributes(null).t + K.getattributes("m").d + K.getattributes("q").e + K.getattributes("zz") })
p("setattr", function() { local K = class { m = 1 }; K.setattributes("m", { q = 4 }); return K.getattributes("m").q })
p("inherited", function() { local r = ""; local P = class { function _inherited(a) { ::inh <- a } function _newmember(i, v, a, s) { ::nmm <- (("nmm" in getroottable()) ? ::nmm : "") + i + s + " "; rawnewmember(i, v, a, s) } }; local Q = class extends P </ z = 1 /> { a = 1; static b = 2; function c() {} }; return ::inh.z + ::nmm + Q().a })
p("instanceof", @() (C(1) instanceof A) + "" + (A() instanceof C))
p("in class", @() ("f" in A) + "" + ("f" in C(1)) + ("zz" in A) + ("s" in A))
p("rawget", @() A.rawget("f") == A.f)
p("foreach class", function() { local r = ""; foreach (k, v in C) r += k + ","; return r })
p("clone inst", function() { local a = A(7); local b = clone a; b.x = 8; return a.x + " " + b.x + (a.arr == b.arr) })
p("override", function() { local K = class { function f() { return 1 } function f() { return 2 } }; return K().f() })
p("dup field", function() { local K = class { a = 1; a = 2 }; return K().a })
p("method fromtable", function() { local t = { function f() { return this.v }, v = 3 }; local g = t.f; return g.call({ v = 9 }) + t.f() + t["f"]() })
p("bindenv", function() { local f = function() { return v }.bindenv({ v = 4 }); local o = { f = f, v = 5 }; return o.f() + f.call({ v = 6 }) })
p("root fallback", function() { return this.print == ::print })
p("delegate", function() { local d = { function f() { return v }, v = 1 }; local t = { v = 2 }.setdelegate(d); t.w <- 1; return t.f() + t.v + ("f" in t) })
p("delegate set", function() { local d = { v = 1 }; local t = {}.setdelegate(d); t.v = 5; return d.v + " " + t.len() })
function gen(n) { local x = 0; try { while (x < n) { x++; yield x } } catch (e) { yield "caught " + e } return "ret" }
p("gen", function() { local g = gen(2); local r = resume g; r += "," + resume g; r += "," + resume g; return r + g.getstatus() })
p("gen dead", function() { local g = gen(0); resume g; return resume g })
p("gen foreach", function() { local r = ""; foreach (i, v in gen(3)) r += i + ":" + v + " "; return r })
p("gen this", function() { local o = { n = 3, function g() { for (local i = 0; i < n; i++) yield i * n } }; local r = ""; foreach (v in o.g()) r += v; return r })
p("gen args", function() { local g = (function(a, b = 2) { yield a + b })(1); return resume g })
p("gen nested", function() { local in1 = function() { yield 1; yield 2 }; local g = (function() { foreach (x in in1()) yield x * 10; yield "e" })(); local r = ""; foreach (v in g) r += v + " "; return r })
p("gen throw", function() { local g = (function() { yield 1; throw "inside" })(); resume g; try { resume g } catch (e) { return e + g.getstatus() } })
p("gen recursive", function() { local g; g = (function() { yield resume g })(); return resume g })
p("tail", function() { local f; f = function(n, a) { return n == 0 ? a : f(n - 1, a + 1) }; local g; g = function(n, a) { if (n == 0) return a; return g(n - 1, a + 1) }; return f(50, 0) + g(20000, 0) })
p("closure loop", function() { local fs = []; local i = 0; while (i < 3) { local j = i; fs.append(@() j++ + i); i++ } local r = ""; foreach (f in fs) r += f() + "," + f() + " "; return r })
p("closure shared", function() { local x = 0; local inc = @() ++x; local get = @() x; inc(); inc(); x += 10; return get() + inc() })
p("closure foreach", function() { local fs = []; foreach (k, v in ["a", "b"]) fs.append(@() k + v); return fs[0]() + fs[1]() })
p("closure for", function() { local fs = []; for (local i = 0; i < 3; i++) fs.append(@() i); return fs[0]() + fs[2]() })
p("closure switch", function() { local f; switch (1) { case 1: local q = 5; f = @() q++; } return f() + f() })
p("closure catch", function() { local f; try { throw "e1" } catch (e) { f = @() e } try { throw "e2" } catch (e) {} return f() })
p("closure arg", function() { local mk = function(a) { return { get = @() a, set = function(v) { a = v } } }; local o = mk(1); o.set(7); return o.get() })
p("default shared", function() { local f = function(x = []) { x.append(1); return x.len() }; f(); return f() })
p("default outer", function() { local n = 5; local f = function(a, b = n) { return a + b }; n = 6; return f(1) })
p("switch fall", function() { local r = ""; foreach (x in [1, 2, 3, "a", null, 1.0]) { switch (x) { case 1: r += "one "; case 2: r += "two "; break; case "a": r += "A "; break; default: r += "def " } } return r })
p("switch cont", function() { local r = 0; for (local i = 0; i < 5; i++) { switch (i) { case 2: continue; case 3: break; default: r += i } r += 100 } return r })
p("try loop", function() { local r = ""; for (local i = 0; i < 4; i++) { try { if (i == 1) continue; if (i == 3) break; throw i } catch (e) { r += e } } return r })
p("try ret", function() { try { return "t" } catch (e) { return "c" } })
p("try nested", function() { try { try { throw 1 } catch (e) { throw e + 1 } } catch (e) { return e } })
p("comma", function() { local a = 1; for (local i = 0, j = 9; i < j; i++, j--) a = i + j; return a })
p("in prec", @() "a" in { a = 1 } == true)
p("ternary", @() true ? false ? 1 : 2 : 3)
p("compound", function() { local t = { x = 5 }; t.x += 2; t["x"] *= 3; t.x -= 1; t.x /= 2; t.x %= 7; return t.x })
p("incs", function() { local t = { x = 5 }; return t.x++ + t.x + ++t.x + t.x-- + --t.x })
p("outer incs", function() { local x = 5; return (function() { return x++ + x + ++x + x-- + --x })() })
p("string idx", @() "abc"[1] + "" + "abc"[-1])
p("nested fn name", function() { local f = function() { return typeof f }; return f() })
p("const", function() { const K1 = 5; enum E1 { a, b = "s", c } return K1 + E1.a + E1.b + E1.c })
p("lambda this", function() { local o = { v = 3, function m() { return [1, 2].map(@(x) x + 1)[0] + (@() this.v)() } }; return o.m() })
p("acall", @() (function(a, b) { return a + b + v }).acall([{ v = 1 }, 2, 3]))
p("vargv", @() (function(...) { vargv.append(1); return vargv.len() })(1, 2))
p("callee", function() { return type(callee()) })
p("delete ret", function() { local t = { a = 3 }; return delete t.a + t.len() })
p("array of fn", @() [function() { return 7 }][0]())
p("chained", function() { local o; o = { n = 0, function a(x) { n += x; return this } }; return o.a(1).a(2).a(3).a(4).n })
p("weak", function() { local t = {}; local w = t.weakref(); return typeof w + typeof w.ref() })
p("getinfos", function() { local i = (function(a, b = 2) {}).getinfos(); return i.name + i.parameters.len() + i.defparams.len() + i.src })
p("vargv in lambda", @() (@(...) vargv.len())(1, 2, 3))
p("nested default", function() { local f = function(a, b = function(c = 2) { return c }) { return a + b() }; return f(1) })
p("swap", function() { local a = 1, b = 2, t = a; a = b; b = t; return a + "," + b })
p("assign chain", function() { local a, b, c; a = b = c = 4; return a + b + c })
p("slot chain", function() { local t = {}; t.a <- t.b <- 3; return t.a + t.b })
p("assign in cond", function() { local x; if ((x = 5) > 3) return x })
p("args order", function() { local r = ""; local f = function(x) { r += x; return x }; (function(a, b, c) {})(f(1), f(2), f(3)); return r })
p("index order", function() { local r = ""; local f = function(x) { r += x; return x }; local t = { [1] = {} }; t[f(1)][f(2)] <- f(3); return r })
p("binary order", function() { local r = ""; local f = function(x) { r += x; return x }; local y = f(1) + f(2) * f(3) - f(4); return r + y })
p("compound order", function() { local r = ""; local f = function(x) { r += x; return x }; local t = [1, 2]; t[f(0)] += f(1); return r + t[0] })
p("local alias", function() { local x = 1; local y = x + (x = 5); return y })
p("call alias", function() { local x = 1; return (function(a, b) { return a + "," + b })(x, x = 5) })
p("array alias", function() { local x = 1; local a = [x, x = 2, x++, x]; return a[0] + "," + a[1] + "," + a[2] + "," + a[3] })
p("idx alias", function() { local i = 0; local a = [1, 2, 3]; a[i] = i = 2; return a[0] + "," + a[2] + i })
p("postinc self", function() { local i = 1; i = i++; return i })
p("postinc sum", function() { local i = 1; return i++ + i++ })
p("preinc sum", function() { local i = 1; return ++i + ++i })
p("neg alias", function() { local i = 1; i = -i; i = !i; return i })
p("cond alias", function() { local i = 1; i = i ? i + 1 : i - 1; return i })
p("and alias", function() { local i = 1; i = i && i + 1; i = i || 7; return i })
p("table alias", function() { local t = { a = 1 }; t = { a = t.a + 1, b = t }; return t.a + t.b.a })
p("fn alias", function() { local f = @(x) x + 1; f = f(f(1)); return f })
p("outer alias", function() { local x = 1; local g = @() x = x + (x = 5); return g() })
p("for closure", function() { local r = []; for (local i = 0; i < 3; i++) { r.append(function() { return i++ }) } return r[0]() + r[1]() + r[2]() })
p("break in try in loop", function() { foreach (i in [1, 2, 3]) { try { if (i == 2) break } catch (e) {} } try { throw 1 } catch (e) { return "ok" + e } })
p("return in foreach", function() { foreach (i, x in { a = 1 }) return i })
p("mod array", function() { local a = [1, 2, 3], n = 0; foreach (x in a) { if (n++ < 3) a.append(x * 10) } return a.len() + " " + n })
p("del table", function() { local t = { a = 1, b = 2, c = 3 }, r = ""; foreach (k, v in t) { r += k; if (k in t) delete t[k] } return r + t.len() })
p("string foreach", function() { local r = ""; foreach (i, c in "ab") r += i + ":" + c + " "; return r })
p("shadow", function() { local x = 1; { local x = 2; { local x = x + 1; if (x != 3) return "bad" } } return x })
p("param shadow", function() { local f = function(x) { local y = x; { local x = y * 2; y = x } return y + x }; return f(3) })
p("deep outer", function() { local x = 1; return (@() (@() (@() ++x)())())() + x })
p("method this", function() { local o = { v = 1, function f() { return (function() { return v })() } }; return o.f() })
p("string num", @() "1" + 2 + 3.5 + true + null)
p("num string", @() 1 + 2 + "3")
p("float int", @() 7 / 2 + 7 / 2.0 + 7 % 3 + 7.5 % 2)
p("shift", @() (1 << 33) + (-8 >> 1) + (-8 >>> 28))
p("cmp", @() (1 <=> 2) + ("b" <=> "a") + (2.0 <=> 2))
p("eq", @() (1 == 1.0) + "" + (null == false) + ("a" == "a") + (0.0 == -0.0))
p("const shadow", function() { const KS = 1; local KS = 2; return KS })
p("enum neg", function() { enum EN { a = -1, b, c = 2.5, d } return EN.a + EN.b + EN.c + EN.d })
p("switch string", function() { local f = function(s) { switch (s) { case "a": case "b": return 1; case "c": return 2 } return 0 }; return f("a") + "" + f("b") + f("c") + f("d") })
p("switch nested", function() { switch (1) { case 1: switch (2) { case 2: break; default: return "x" } return "inner" } return "outer" })
p("throw table", function() { try { throw { a = 1 } } catch (e) { return e.a } })
p("rethrow", function() { try { try { throw "a" } catch (e) { throw e + "b" } } catch (e) { return e + "c" } })
p("gen return value", function() { local g = (function() { yield 1; return 2 })(); resume g; return resume g })
p("gen status", function() { local g = (function() { yield g.getstatus() }); return type(g) })
p("clone delegate", function() { local t = { a = 1 }.setdelegate({ b = 2 }); local c = clone t; return c.a + c.b })
p("unary chain", @() - - 3 + !!1)
p("typeof chain", @() typeof typeof 1)
p("nested array", @() [[1, 2], [3, [4]]][1][1][0])
p("weird call", @() (@(a, b) a - b)(5 3))

// Texts joined in a row: _tostring is called as + would call it.
{
	local log = [];
	local T = class { n = null; constructor(n) { this.n = n; } function _tostring() { log.append(n); return "<" + n + ">"; } };
	local f = function(x) { log.append(x); return x; };
	local show = function(s) { local l = ""; foreach (x in log) l += x + " "; print(s + " | " + l + "\n"); log.clear(); };
	local a = T("a"), b = T("b"), k = 1;
	show("x" + a + f("c") + b + f(1.5));
	show(a + "x" + f("c") + b);
	show("k" + k + (k = 5) + k + k++ + k);
	local s = "s"; s += "x" + a + f(2) + b; show(s);
	local o = T("o"); o += "x" + a + b; show(o);
	local n = 7; n += "x" + 1 + 2 + false + true; show(n);
	local t = { s = "t" }; t.s += "x" + a + 1; show(t.s);
	local long = "0123456789012345678901234567890123456789";
	local l = long; l += "a" + 1 + long; l += "b" + 2; show(l); show(l.slice(0, 40) == long);
	show("1" + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + a + 10 + 11);
	local bad = class { function _tostring() { return 5; } };
	print(("x" + bad() + "y").slice(0, 12) + "\n");
	local thrower = class { function _tostring() { throw "no text"; } };
	try { print("x" + f("d") + thrower() + f("e")); } catch (e) { show(e); }
	local vec = class { x = 3; function _mul(y) { return "m" + y; } function _modulo(y) { return "r" + y; } };
	print(vec() * 2 + " " + vec() % 3 + "\n");
	try { vec() / 2; } catch (e) { print(e + "\n"); }
	try { vec() & 2; } catch (e) { print(e + "\n"); }
	try { "a" << 2; } catch (e) { print(e + "\n"); }
	print((7 * 2) + " " + (-7 / 2) + " " + (-7 % 4) + " " + (-7 & 3) + " " + (1 << 33) + " " + (-8 >> 1) + " " + (7.5 * 2) + " " + (7.5 / 2) + " " + (7.5 % 2) + "\n");
}
p("switch on a variable", function() { local v = 0; switch (v) { case (v = 1): return "hit"; default: return "miss"; } });
p("switch in a switch", function() { local s = ""; foreach (k in [1, 2, 3]) switch (k) { case 1: switch (k + 1) { case 2: s += "a"; } case k * 1: s += "b"; break; default: s += "c"; } return s; });
