package squirrel

import (
	"strings"
	"testing"
)

// places are statements with an expression at E, one for each place in which the
// language has one. It is evaluated at least once, and gives 1.
var places = []string{
	"E;", "local x = E;", "local x = 1, y = E;", "return E;", "x <- E;", "g.x = E;", "g.x += E;", "g[E] = 1;",
	"g[E] <- 1;", "g[1] <- E;", "g[E] += 1;",
	"g[E]++;", "--g[E];", "local x = g[E];", "f(E);", "f(1, E);", "f(E, 1);", "[E];", "[1, E];",
	"local x = { y = E };", "local x = { [E] = 1 };",
	"if (E) f();", "if (0) f(); else if (E) f();", "if (1) E; else f();", "if (0) f(); else E;",
	"while (E) break;", "do {} while (E && 0);", "do { E; } while (0);", "while (1) { E; break; }",
	"for (local i = E; 0;) {}", "for (E; 0;) {}", "for (; E;) break;", "for (local i = 0; i < 1; i++, E) {}",
	"for (local i = 0; i < 1; i++) E;",
	"foreach (v in [E]) f();", "foreach (v in [1]) E;", "foreach (k, v in [1]) { E; }",
	"switch (E) { case 1: }", "switch (1) { case E: }", "switch (1) { case 1: E; }", "switch (1) { default: E; }",
	"switch (2) { case 1: case 2: E; }",
	"try { E; } catch (e) {}", "try { throw 1; } catch (e) { E; }", "try { throw E; } catch (e) {}", "{ E; }",
	"foreach (v in (function() { yield E; })()) f();", "(function() { return E; })();", "(@() E)();",
	"(@(p = E) p)();", "(function(p = E) {})();",
	"local function h() { E; } h();", "E ? 1 : 2;", "1 ? E : 2;", "0 ? 1 : E;", "-E;", "!E;", "~E;", "typeof E;",
	"clone [E];",
	"E + 1;", "1 + E;", "E - 1;", "2 * E;", "E < 2;", "2 < E;", "E == 1;", "1 == E;", "E <=> 2;", "E & 1;", "1 << E;",
	"E && 1;", "1 && E;", "E || 1;", "0 || E;",
	"E in g;", "1 in [E];", `"" + E;`, `E + "";`, "E.tostring();", "[1, E].top();", "delete g[E];", "f(f, E)(E);", "1, E;",
	"local C = class { x = E };", "local C = class { </ a = E /> x = 1 };", "local C = class </ a = E /> {};",
	"local C = class { function m() { E; } }; C().m();",
	"local C = class { constructor() { E; } }; C();", "local x = { function m() { E; } }; x.m();",
}

// TestCapturedEverywhere: a closure, a parameter and a local variable are seen
// from each place in which an expression can be, also when another closure
// captures the variable there.
func TestCapturedEverywhere(t *testing.T) {
	forms := []struct{ name, declare, expression string }{
		{"captured", "local a = 1;", "(@() hit(a))()"},
		{"captured and changed", "local a = 0;", "(@() hit(++a))()"},
		{"captured twice", "local a = 1;", "(@() (@() hit(a))())()"},
		{"not captured", "local a = 1;", "hit(a)"},
		{"of a loop", "local a; foreach (b in [1]) a = b;", "(@() hit(a))()"},
	}
	for _, form := range forms {
		for _, place := range places {
			src := "hits <- 0; g <- { [1] = 1, x = 1 }; function f(...) { return f; }\n" +
				"function hit(x) { if (x != null) ::hits++; return 1; }\n" +
				"function run() { " + form.declare + "\n" + strings.ReplaceAll(place, "E", form.expression) + "\n }\n" +
				"run(); print(hits > 0);"
			if got, _ := runScript(t, "places", src); got != "true" {
				t.Errorf("%s, %s: %s", form.name, place, got)
			}
		}
	}
}
