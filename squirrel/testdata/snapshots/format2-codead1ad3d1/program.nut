// What the golden snapshots are of: a program that is in the middle of many
// things. Changing it makes new ones necessary; old ones keep their own copy.
class Point {
    x = 0; y = 0; tags = null;
    static made = [];
    constructor(x, y = 2) { this.x = x; this.y = y; tags = []; made.append(x); }
    function _add(o) { return Point(x + wait(), y + o.y); }
    function _cmp(o) { return x + wait() <=> o.x + 7; }
    function _tostring() { return "(" + x + " " + y + ")"; }
    function _get(k) { if (k == "far") return wait() * x; throw null; }
    function _nexti(k) { return k == null ? 0 : k < 2 ? k + 1 : null; }
}
class Point3 extends Point </ kind = "space" /> {
    z = 1.5;
    constructor(x) { base.constructor(x); z = wait() / 2.0; }
}
function fib(n) {
    try {
        for (local a = 0, b = 1, c; n > 0; n--) { yield a + (wait() - 7); c = a; a = b; b += c; }
    } catch (e) { yield "caught " + e; }
    return "end";
}
function note(what) { print(what + "\n"); }

local points = [Point(3), Point3(1), Point(2, 9)];
points.sort();
foreach (p in points) note("" + p + p.far);
note("" + (points[0] + points[2]));

local gen = fib(5);
note(resume gen); note(resume gen);

local data = blob(8);
data.writen(0x01020304, 'i'); data.writen(wait() * 0.25, 'f');
data.seek(0); note(data.readn('i') + " " + data.readn('f'));

local long = "0123456789012345678901234567890123456789";
for (local i = 0; i < 3; i++) long += i + wait() + long.slice(0, 4);
note(long);

local table = { [1] = "one", [1.5] = true, name = null }.setdelegate({ fallback = 4, _newslot = function(k, v) { rawset(k, v + wait()); } });
table.added <- 5;
table.self <- 1;
table.name = table.weakref();
note(table.added + table.fallback + " " + (table.name == table));

local total = 0;
local add = function(x, ...) { total += x + vargv.len() + this.n; return total; }.bindenv({ n = 3 });
note([5, 6].map(function(x) { return add(x, wait()); }).reduce(function(a, b) { return a * b + wait(); }));
note([4, 1, 3, 2].filter(function(i, x) { return x > wait() - 6; }).len());

local ex = regexp(@"(\d+)-(\w+)");
foreach (c in ex.capture("ab 12-xy" + wait())) note(c.begin + ".." + c.end);
while ((total = resume gen) != null && gen.getstatus() == "suspended") note(total);
note(Point.made.len() + " " + (Point3.getattributes(null).kind));
try { points[wait() - 7].missing(); } catch (e) { note(e); }
note("done");
