package agent

import "testing"

// TestPatternsKept: an agent keeps compiled patterns of so many bytes at most.
func TestPatternsKept(t *testing.T) {
	w := newWorld(mustCompile(t, `
for (local i = 0; i < 60; i++) regexp2("x{" + (i + 1) + "}\\pL").match("xx");
for (local i = 0; i < 20; i++) regexp2("\\pL{" + (900 + i) + "}").match("xx");`))
	w.do(&Boot{})
	if w.m.Dead() {
		t.Fatal(w.out.String())
	}
	size := 0
	for _, p := range w.m.patterns.byText {
		size += p.bulk.size()
	}
	if size == 0 || size > patternsKept || w.m.patterns.size != size {
		t.Errorf("%d bytes are kept, and counted as %d", size, w.m.patterns.size)
	}
}
