package reference

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// vendorPrelude shows values as testdata/language.txt does.
const vendorPrelude = `
function show(x) {
  switch (type(x)) {
    case "string": return "\"" + x + "\"";
    case "float": return x + "f";
    case "null": return "null";
    case "array": return "[" + list(x.map(show)) + "]";
    case "table":
      local slots = [];
      foreach (key, value in x) slots.append(key + "=" + show(value));
      slots.sort();
      return "{" + list(slots) + "}";
  }
  if (typeof x != "blob") return "" + x;
  local hex = "";
  foreach (byte in x) hex += format("%02x", byte);
  return "<" + hex + ">";
}
function list(parts) { return parts.len() ? parts.reduce(@(all, part) all + "," + part) : ""; }
function on(x, ...) { foreach (change in vargv) change(x); return x; }
function text(s) { local b = blob(); b.writestring(s); b.seek(0); return b; }
function row(n, f) {
  local got;
  try { got = show(f()); } catch (e) got = "!! " + e;
  server.log("row " + n + " " + got);
}
`

// vendorRow is a line of testdata/language.txt.
type vendorRow struct {
	line               int
	name, expression   string
	value, page, other string
}

func vendorRows(t *testing.T) (rows []vendorRow) {
	t.Helper()
	data, err := os.ReadFile("testdata/language.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 4 && len(f) != 5 {
			t.Fatalf("line %d has %d columns: %s", n, len(f), line)
		}
		r := vendorRow{line: n, name: f[0], expression: f[1], value: f[2], page: f[3]}
		if len(f) == 5 {
			r.other = f[4]
		}
		rows = append(rows, r)
	}
	return rows
}

// TestVendorPages: the language's functions do, on both sides, what the vendor's pages
// say of them, or what testdata/language.txt says that they do instead.
func TestVendorPages(t *testing.T) {
	rows := vendorRows(t)
	var src strings.Builder
	src.WriteString(vendorPrelude)
	for i, r := range rows {
		fmt.Fprintf(&src, "row(%d, @() (%s));\n", i, r.expression)
	}
	for _, side := range []tandem.Side{tandem.AgentSide, tandem.DeviceSide} {
		run := runAgent
		if side == tandem.DeviceSide {
			run = runDevice
		}
		shown := map[string]string{}
		for _, line := range run(t, src.String()).lines {
			if rest, ok := strings.CutPrefix(line, "row "); ok {
				n, got, _ := strings.Cut(rest, " ")
				shown[n] = got
			}
		}
		for i, r := range rows {
			if got := shown[fmt.Sprint(i)]; got != r.value {
				t.Errorf("%v: testdata/language.txt:%d: %s is %s, not %s (%s)", side, r.line, r.expression, got, r.value, r.page)
			}
		}
	}
}

// TestVendorPagesHaveAll requires a line in testdata/language.txt for each function of the
// language, so that a new one is compared with its page too.
func TestVendorPagesHaveAll(t *testing.T) {
	done := map[string]bool{}
	for _, r := range vendorRows(t) {
		done[r.name] = true
	}
	for _, f := range language().Functions {
		if !done[f.Name] {
			t.Errorf("%s is compared with no page", f.Name)
		}
	}
}
