// What blobs and the mathematical functions do; like the original throughout.
function p(l, f) { try { print(l + " => " + show(f()) + "\n"); } catch (e) { print(l + " !! " + e + "\n"); } }
function show(x) {
	if (type(x) == "null") return "null";
	if (type(x) == "string") return "\"" + x + "\"";
	if (type(x) == "array") { local s = "["; foreach (i, v in x) s += (i ? "," : "") + show(v); return s + "]"; }
	if (typeof x == "blob") { local s = "<", n = x.len(); for (local i = 0; i < n; i++) s += format("%02x", x[i]); return s + ">@" + x.tell(); }
	if (type(x) == "float") return x + "f";
	return "" + x;
}
p("new", @() [blob(), blob(3), blob(2.9)]);
p("new negative", @() blob(-1));
p("new type", @() blob("x"));
p("writen", function() {
	local b = blob();
	b.writen(-2, 'i'); b.writen(-2, 's'); b.writen(65534, 'w'); b.writen(-2, 'c'); b.writen(254, 'b'); b.writen(1.5, 'f'); b.writen(1.5, 'd'); b.writen(0x01020304, 'l');
	local s = show(b);
	b.seek(0);
	return [s, b.readn('i'), b.readn('s'), b.readn('w'), b.readn('c'), b.readn('b'), b.readn('f'), b.readn('d'), b.readn('l'), b.eos(), b.tell()];
});
p("writen converts", function() { local b = blob(); b.writen(3.9, 'i'); b.writen(7, 'f'); b.writen(300, 'b'); return b; });
p("writen inside", function() { local b = blob(4); b.seek(1); b.writen(0x0201, 'w'); return b; });
p("writen over the end", function() { local b = blob(2); b.seek(1); b.writen(0x04030201, 'i'); return b; });
p("writen format", @() blob().writen(1, 'q'));
p("readn format", @() blob(8).readn('q'));
p("readn end", function() { local b = blob(3); b.seek(1); try { b.readn('i'); } catch (e) { return [e, b.tell()]; } });
p("seek", function() { local b = blob(10); return [b.seek(3), b.tell(), b.seek(2, 'c'), b.tell(), b.seek(-1, 'e'), b.tell(), b.seek(4, 'b'), b.tell(), b.seek(-1), b.seek(11), b.seek(1, 'e'), b.seek(-9, 'c'), b.tell(), b.seek(10)]; });
p("seek origin", @() blob(1).seek(0, 'x'));
p("eos", function() { local b = blob(1); local r = [b.eos()]; b.seek(1); r.append(b.eos()); return r; });
p("flush", @() blob().flush());
p("resize", function() { local b = blob(4); b.writen(0x04030201, 'i'); b.resize(2); local r = [show(b)]; b.resize(8); r.append(show(b)); b.writen(5, 'b'); r.append(show(b)); return r; });
p("index", function() { local b = blob(2); b[0] = 513; b[1] = -1; return [b, b[0], b[1.5], b[1] = 3]; });
p("index beyond", @() blob(2)[2]);
p("index negative", @() blob(2)[-1]);
p("index set", function() { local b = blob(1); b[1] = 0; });
p("index name", @() blob(1).nothing);
p("swap", function() { local b = blob(7); foreach (i in [0, 1, 2, 3, 4, 5, 6]) b[i] = i; b.swap2(); local r = [show(b)]; b.swap4(); r.append(show(b)); return r; });
p("readblob", function() { local b = blob(5); foreach (i in [0, 1, 2, 3, 4]) b[i] = i; return [b.readblob(2), b.tell(), b.readblob(100), b.tell()]; });
p("readblob end", @() blob(0).readblob(1));
p("readblob nothing", @() blob(1).readblob(0));
p("writeblob", function() { local b = blob(), c = blob(2); c[0] = 7; return [b.writeblob(c), b.writeblob(c), b, c]; });
p("writeblob self", function() { local b = blob(2); b[0] = 1; b[1] = 2; b.seek(2); b.writeblob(b); return b; });
p("writeblob type", @() blob().writeblob((class { })()));
p("writeblob type 2", @() blob().writeblob("x"));
p("foreach", function() { local b = blob(3), r = []; b[1] = 9; foreach (i, x in b) r.append([i, x]); return r; });
p("clone", function() { local b = blob(2); b[0] = 1; b.seek(1); local c = clone b; c[0] = 2; return [b, c]; });
p("derived", function() { local B = class extends blob { function first() { return this[0]; } }; local b = B(3); b[0] = 5; return [b.first(), b.len(), typeof b, b instanceof blob]; });
p("types", @() [typeof blob(), type(blob()), type(blob)]);
p("casts", @() [castf2i(1.5), casti2f(0x3fc00000), swap4(0x01020304), swapfloat(casti2f(0x0000c03f))]);
p("wrong this", @() blob().len.call((class { })()));
p("loop", function() { local b = blob(); for (local i = 0; i < 10000; i++) b.writen(i, 'w'); b.seek(-2, 'e'); return [b.len(), b.readn('w')]; });

p("sqrt", @() [sqrt(9), sqrt(2), sqrt(-1)]);
p("trig", @() [sin(0), cos(0), tan(0), sin(PI / 2), asin(1), acos(1), atan(1), atan2(1, -1), asin(2).tostring().len()]);
p("exp", @() [exp(0), exp(1), log(1), log10(1000), log(0), pow(2, 10), pow(2, 0.5), pow(2, -1)]);
p("round", @() [floor(1.5), floor(-1.5), ceil(1.2), ceil(-1.2), floor(3)]);
p("abs", @() [abs(-5), abs(5), abs(-1.9), fabs(-1.5), fabs(-2)]);
p("constants", @() [PI, RAND_MAX]);
p("math type", @() sin("1"));
p("math none", @() sin());
p("rand", function() { srand(5); local a = [rand(), rand(), rand()]; srand(5); foreach (x in a) if (x != rand() || x < 0) return "bad"; return a[0] != a[1]; });
p("date", function() { local d = date(1000000000, 'u'); return [d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday]; });
p("date before", function() { local d = date(-1, 'u'); return [d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday]; });
