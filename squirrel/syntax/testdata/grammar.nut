// Every form of the grammar, and the accidents that scripts lean on.
#require "JSONEncoder.class.nut:2.0.0"
#line 100 "agent.nut"

const LIMIT = 10
const NAME = "tandem"; const NEG = -3
const HALF = -0.5

enum State { OFF, ON, BROKEN = "broken", MINUS = -1, NEXT }
enum Loose { a b c, }

/* not /* nested */
local a, b = 1, c = "x" + b, d
local function helper(x, y = 2, z = [1]) { return x + y + z[0] }
local verbatim = @"C:\path ""quoted""
second line"
local numbers = [0x7fffffff 017 08 09. 1e3 1.5E-2, 'a', '\n', '\xff' 4294967295]
local escapes = "\t\a\b\n\r\v\f\0\\\"\'\x41\x1234"

function global(a, b,) { return a - b }
function State::method(...) { return vargv.len() }
function one() return 1

class Point {
    x = 0
    y = 0;
    static origin = null
    </ unit = "mm", "depth": 3 />
    z = null;
    [NAME + "_id"] = 4
    constructor(x, y) { this.x = x; this.y = y }
    function _add(o) { return Point(x + o.x, y + o.y) }
    static function zero() { return ::Point(0, 0) }
}

class Point3 extends Point </ version = 1 /> {
    constructor(x, y, z) {
        base.constructor(x, y)
        this.z = z
    }
    function _get(k) { throw null }
}

Anon <- class extends Point {}
class Anon.Inner {}

t <- {
    a = 1, b = 2
    c = 3
    "json": [true, false, null, {}],
    [1 + 2] = "three",
    function f(x) { return x }
    constructor() {}
}
::global2 <- @(x) x * 2

if (a == null) b = 2
else if (b in t) { b = 3 }
else b = 4
if (a) helper(1) else helper(2)

while (b < LIMIT) { if (b == 5) break; b++; continue }
do { b-- } while (b > 0)
for (local i = 0, n = 3; i < n; i += 1) helper(i)
for (;;) break
for (b = 0; b < 3; b++, c += b) {}
foreach (x in [1, 2 3]) print(x)
foreach (k, v in t) { print(k); print(v) }

switch (b) {
    case 1:
    case State.ON:
        print("on")
        break
    case "x": print("x")
    default:
        print("other")
}

try { throw "oops" } catch (e) { print(e) }
try helper(1, 2, 3)
catch (e) print(e)

function generator(n) {
    for (local i = 0; i < n; i++) yield i
    yield
    return n
}
local g = generator(3)
resume g
resume generator(1)

delete t.a
delete t["b"]
delete t2
local k = clone t, ty = typeof k, neg = -b, not = !b, inv = ~b, lit = ~5, m = -5.5
t.c++; ++t.c; t.c--; --t["c"]
t.c += 1; t.c -= 1; t.c *= 2; t.c /= 2; t.c %= 2
b = b << 1 | b >> 1 ^ b >>> 1 & 7
b = a <=> b; b = a != b && a >= b || a <= b
local r = a ? b : c ? d : 4
local i = "a" in t == true, j = b instanceof Point
print(a, b c)
a == b || c = d
local v = (a, b, c)
t.f(1)(2)[3].g()
(function() { return this })()
local lambda = @() @(x, ...) x + a
call
(1)
x.
y
local nested = function() {
    local count = 0
    return function() { return ++count + vargvs.len() + a }
}
{ local scoped = 1; { local deeper = scoped } };
;;
return t
