package agent

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// hostile are programs that try to work, or to take memory outside of their own, for far
// less than they pay, by one call again and again. Each names itself first.
var hostile = map[string]string{
	"format with a bad directive": `
local a = [this, "%d"]; for (local i = 0; i < 241; i++) { a.append(big); a[1] = "%s" + a[1]; }
work = @() format.acall(a.append("x") || a);`,
	"json of a blob behind the same string": `
local a = array(20000, big); a.append(blob(1)); work = @() http.jsonencode(a);`,
	"lookup through delegates": `
local d = {}; for (local i = 0; i < 3000; i++) d = {}.setdelegate(d); work = @() d.missing;`,
	"assignment through delegates": `
local d = {}; for (local i = 0; i < 3000; i++) d = {}.setdelegate(d); work = function() { d.missing = 1; };`,
	"delegates that decline": `
local d = { _get = function(k) { throw null; } };
for (local i = 0; i < 1000; i++) d = { _get = function(k) { throw null; } }.setdelegate(d);
work = @() d.missing;`,
	"number of many digits": `local s = text(200000, "0"); work = @() s.tointeger();`,
	"float of many digits":  `local s = text(200000, "0") + ".1e5"; work = @() s.tofloat();`,
	"timer of a long name":  `work = @() imp.cancelwakeup(big);`,
	"query of a long key":   `local t = {}; t[big] <- array(5000, big); work = @() http.urlencode(t);`,
	"header that is none":   `work = @() response.header(big + " ", big);`,
	"cycle of delegates": `
local d = {}, first = d; for (local i = 0; i < 5000; i++) d = {}.setdelegate(d);
work = @() first.setdelegate(d);`,
	"instanceof": `
class A {} local C = A; local e = function(B) { return class extends B {}; };
for (local i = 0; i < 2000; i++) C = e(C);
local x = C(); work = @() x instanceof response;
class Z {} work = @() x instanceof Z;`,
	"wide ranges in both cases": `local p = "(?i)["; while (p.len() < 240) p += "a-\\x{FFFF}"; work = @() regexp2(p + "]");`,
	"many repetitions":          `local p = ""; while (p.len() < 248) p += ".{1000}"; work = @() regexp2(p);`,
	"classes of Unicode":        `local p = ""; local n = 300; work = @() regexp2("\\pL{" + (n++ % 990) + "}").match(big);`,
	"regular expressions":       `local n = 0; work = @() regexp("[^" + text(4000, "[^a]") + (n++));`,
	"slow regular expression":   `local r = regexp("((a*)*)*b"), s = text(3000, "a"); work = @() r.search(s);`,
	"save of the same long key": `
local inner = {}; inner[text(130000)] <- 1; local t = {}; t.a <- array(60000, inner); work = @() server.save(t);`,
	"comparison of long strings": `
local a = text(200000) + "a", b = text(200000) + "a"; work = @() a == b && a <= b && a <=> b;`,
	"search of equal strings": `
local a = array(20000, text(100000) + "a"), b = text(100000) + "b"; work = @() a.find(b);`,
	"sorting of equal strings": `
local x = text(100000) + "a", y = text(100000) + "b"; local a = [];
for (local i = 0; i < 5000; i++) a.append(i % 2 ? x : y);
work = @() a.sort();`,
	"colliding integers": `
local t = {}; work = function() { for (local i = 0; i < 16000; i++) t[i * 65536] <- i; t.clear(); };`,
	"one string joined many times": `work = @() "a" + big + big + big + big + big + big + big + big + big + big;`,
	"division of floats": `local x = 3e38, y = 1e-38; 
work = function() { for (local i = 0; i < 100; i++) x % y; };`,
	"deep stack with handlers": `
local f; f = function(n) {
  try { try { if (n == 0) throw big; return f(n - 1); } catch (e) { throw e; } } catch (e) { throw e; }
};
work = @() f(2000);`,
	"weak references": `
local a = []; for (local i = 0; i < 20000; i++) a.append({}); local w = a.weakref(); work = @() a.weakref();`,
	"memory nearly full": `
local keep = []; try { while (imp.getmemoryfree() > 150000) keep.append(text(50000)); } catch (e) {}
work = @() text(20000);`,
	"fields of a query": `local q = ""; while (q.len() < 100000) q += "a=b&"; work = @() http.urldecode(q);`,
	"a function of many parameters": `
local f = function(...) { return vargv.len(); }; local a = array(250, f); work = @() f.acall(a);`,
	"callbacks that fail": `local a = array(5000, big); work = @() a.sort(function(x, y) { throw "no"; });`,
	"header lines":        `local h = {}; h["x"] <- array(50000, 1); work = @() http.get("http://x", h).sendasync(@(r) 0);`,
}

// mostBytes is how much Go memory a unit of fuel, 10 ns, may pay for: as in chargetest.
const mostBytes = 5 * 32

// TestHostile: a program that does such a call again and again is stopped by the watchdog
// after not much more time than it has paid for, and Go memory stays bounded. What is
// checked is counted: Go memory, and that the program gets no further than its budget.
func TestHostile(t *testing.T) {
	if squirrel.Counted {
		t.Skip("this build collects at every safepoint, which takes Go memory; TestCosts counts there")
	}
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		body := hostile[name]
		t.Run(name, func(t *testing.T) {
			src := callsPrelude + `
response <- null; http.onrequest(function(q, r) { response = r; });
big <- text(130000, "long ");
device.on("work", function(_) { local work; ` + body + `
  while (true) try { work(); } catch (e) {} });`
			cfg := mustCompile(t, src)
			cfg.Budget = tandem.EventBudget / 10
			w := newWorld(cfg)
			w.m.Step(w.now, &Boot{})
			w.m.Step(w.now, &Request{1, &tandem.Request{Method: "GET"}})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			effects := w.m.Step(w.now, &DeviceMessage{tandem.Message{Name: "work"}})
			runtime.ReadMemStats(&after)
			used := w.m.core.VM.FuelUsed()
			if !w.m.Dead() || !strings.Contains(w.said(effects), "of processor time") &&
				!strings.Contains(w.said(effects), "out of memory") {
				t.Fatalf("it is not stopped: %s", w.said(effects))
			}
			if n := int64(after.TotalAlloc - before.TotalAlloc); n > mostBytes*used+1<<20 {
				t.Errorf("%d MB of Go memory for %d units", n>>20, used)
			}
		})
	}
}

// said returns the lines among effects, and those that have been shown.
func (w *world) said(effects []Effect) string {
	lines := w.out.String()
	for _, e := range effects {
		if l, ok := e.(*Log); ok {
			lines += l.Msg + "\n"
		}
	}
	return lines
}
