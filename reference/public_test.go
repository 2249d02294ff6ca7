package reference

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// present is a program that prints which of some names, paths from the root table, exist.
const present = `
function here(path) {
    local at = getroottable();
    foreach (part in split(path, ".")) {
        if (!(part in at)) return false;
        at = at[part];
    }
    return true;
}
foreach (path in [%s]) if (here(path)) print(path);
`

// methodsOf are the names that testdata gives the classes of peripherals, and where there is
// an instance.
var methodsOf = map[string]string{
	"pin": "hardware.pin1", "i2c": "hardware.i2c89", "spi": "hardware.spi257", "uart": "hardware.uart57",
}

// TestPublicCalls: a name that public code uses is there, on one of the sides at least, or
// testdata says why not.
func TestPublicCalls(t *testing.T) {
	text, err := os.ReadFile("testdata/public-calls.txt")
	if err != nil {
		t.Fatal(err)
	}
	absent := map[string]string{} // why, by name
	paths := map[string]string{}  // by name
	var list []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var uses, repositories int
		row, why, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var name string
		if n, err := fmt.Sscan(row, &uses, &repositories, &name); n != 3 || err != nil || uses < repositories {
			t.Fatalf("%q is no line of the list", line)
		}
		absent[name], paths[name] = why, name
		if class, method, _ := strings.Cut(name, "."); methodsOf[class] != "" {
			paths[name] = methodsOf[class] + "." + method
		}
		list = append(list, fmt.Sprintf("%q", paths[name]))
	}
	src := fmt.Sprintf(present, strings.Join(list, ", "))
	found := slices.Concat(runAgent(t, src).lines, runDevice(t, src).lines)
	for name, why := range absent {
		there := slices.Contains(found, paths[name])
		switch {
		case !there && why == "":
			t.Errorf("%s is not there: add it, or say why not", name)
		case there && why != "":
			t.Errorf("%s is there: take away the reason %q", name, why)
		}
	}
}
