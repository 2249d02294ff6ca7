package indextest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListed(t *testing.T) {
	absent := map[string]string{"hardware.usb": "no USB", "imp.reset": "no"}
	for name, want := range map[string]bool{
		"hardware.usb": true, "hardware.usb.configure": true, "hardware.usbx": false, "imp": false, "imp.reset": true,
	} {
		if got := Listed(absent, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	names := Read(t, write("index.txt", "# a comment\n\npage node/1\na b.c\n\npage node/2\nd\n"))
	if !slices.Equal(names, []string{"a", "b.c", "d"}) {
		t.Errorf("names %q", names)
	}
	table := "\n| | |\n|---|---|\n| `x`, `y.z` | why |\n\n## B\n| `q` | no |\n"
	absent := Absent(t, write("doc.md", "# A\n"+heading+table))
	if len(absent) != 2 || absent["x"] != "why" || absent["y.z"] != "why" {
		t.Errorf("absent %q", absent)
	}
	want := "try { local x = pin1.read; } catch (e) { print(\"missing pin.read\"); }\n"
	if got := Program([]string{"pin.read"}, map[string]string{"pin": "pin1"}); got != want {
		t.Errorf("got %q", got)
	}
}
