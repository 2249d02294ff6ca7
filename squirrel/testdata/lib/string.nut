// What strings and numbers do; like the original throughout.
function p(l, f) { try { print(l + " => " + show(f()) + "\n"); } catch (e) { print(l + " !! " + e + "\n"); } }
function show(x) {
	if (type(x) == "null") return "null";
	if (type(x) == "string") return "\"" + x + "\"";
	if (type(x) == "array") { local s = "["; foreach (i, v in x) s += (i ? "," : "") + show(v); return s + "]"; }
	if (type(x) == "float") return x + "f";
	return "" + x;
}
local long = "the quick brown fox jumps over the lazy dog, and then some more";
p("len", @() ["".len(), "a\x00b".len(), long.len()]);
p("slice", @() ["hello".slice(1, 3), "hello".slice(-3), "hello".slice(0), "hello".slice(5), "hello".slice(1.9, -1.9)]);
p("slice wrong", @() "hello".slice(3, 2));
p("slice beyond", @() "hello".slice(0, 6));
p("slice long", @() [long.slice(4, 9), long.slice(0, 50), long.slice(0, -1).len()]);
p("slice type", @() "hello".slice("1"));
p("find", @() ["hello".find("l"), "hello".find("l", 3), "hello".find("l", 4), "hello".find("lo"), "hello".find("z"), "hello".find(""), "hello".find("", 2), "".find("")]);
p("find from", @() ["hello".find("h", 5), "hello".find("h", -1), "hello".find("o", 4.7), long.find("dog"), long.find(long)]);
p("find type", @() "hello".find(1));
p("find none", @() "hello".find());
p("case", @() ["aZ09_é".toupper(), "aZ09_É".tolower(), long.toupper(), long.toupper().tolower() == long]);
p("tointeger", @() ["12".tointeger(), " -7x".tointeger(), "3.9".tointeger(), "1e3".tointeger(), true.tointeger(), (2.9).tointeger(), (-2.9).tointeger()]);
p("tointeger bad", @() "x".tointeger());
p("tofloat", @() ["1.5".tofloat(), "2".tofloat(), "-1e-2x".tofloat(), (3).tofloat(), true.tofloat(), (1.25).tofloat()]);
p("tofloat bad", @() "".tofloat());
p("tostring", @() ["x".tostring(), (5).tostring(), (-5).tostring(), (1.5).tostring(), (1e10).tostring(), false.tostring()]);
p("tochar", @() [(65).tochar(), (321).tochar(), (66.9).tochar(), true.tochar().len(), (0).tochar().len()]);
p("weakref", @() ["x".weakref(), (1).weakref(), typeof (1.5).weakref()]);
p("format", @() [format("%d %5.1f|%-4s|%04x", 7, 2.25, "ab", 255), format("%%"), format("%c%c", 'o', 'k'), format("%s", long), format("%s%s", long, long).len()]);
p("format few", @() format("%d %d", 1));
p("format many", @() format("%d", 1, 2));
p("format type", @() format("%d", "1"));
p("format type s", @() format("%s", 1));
p("format type f", @() format("%f", null));
p("format bad", @() format("%y", 1));
p("format this", @() format(1, 2));
p("strip", @() [strip("  a b\n"), lstrip(" a "), rstrip(" a "), strip("   "), strip(""), strip(long + " ") == long]);
p("strip type", @() strip(null));
p("split", @() [split("a,b,,c,", ","), split("a b;c", " ;"), split("", ","), split(",", ","), split("abc", "x"), split(long, " ").len()]);
p("split empty", @() split("a", ""));
p("split type", @() split("a", 1));
p("split none", @() split("a"));
p("regexp", function() {
	local r = regexp(@"(\d+)-(\d+)");
	local c = r.capture("ab 12-34 z");
	local s = r.search("ab 12-34 z");
	return [r.match("12-34"), r.match("x12-34"), s.begin, s.end, r.search("none"), c.len(), c[0].begin, c[0].end, c[1].begin, c[2].end, r.subexpcount(), r.capture("none")];
});
p("regexp start", function() { local r = regexp("a"); return [r.search("banana", 2).begin, r.search("banana", 3).begin, r.capture("banana", 4)[0].begin]; });
p("regexp optional", function() { local c = regexp("(a)|(b)").capture("b"); return [c[1].begin, c[1].end, c[2].begin, c[2].end]; });
p("regexp class", @() [typeof regexp("a"), type(regexp("a")), type(regexp)]);
p("regexp bad", @() regexp("(a"));
p("regexp bad 2", @() regexp("a{"));
p("regexp type", @() regexp(1));
p("regexp none", @() regexp());
p("regexp subject", @() regexp("a").match(1));
p("regexp derived", function() { local R = class extends regexp { constructor() { base.constructor("[ab]+"); } }; return R().match("abba"); });
p("concat", @() "a" + 1 + 2.5 + true);
p("char", @() ["abc"[1], "abc"[1.9]]);
p("char beyond", @() "abc"[3]);
