package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/device"
)

// TestModuleFlag: every type of module is taken, also none; any other is refused with
// the list of them.
func TestModuleFlag(t *testing.T) {
	for _, name := range append(device.Modules(), "") {
		for _, written := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			f := Hardware{Module: written}
			if _, err := f.NewBoard(); err != nil || f.Module != name {
				t.Errorf("%q: %q, %v", written, f.Module, err)
			}
		}
	}
	_, err := (&Hardware{Module: "imp9"}).NewBoard()
	if err == nil || !strings.Contains(err.Error(), "imp9") || !strings.Contains(err.Error(), "impC001") {
		t.Errorf("imp9: %v", err)
	}
}

// TestBoardFlag: the lines of the file are the board's, and a mistake is named by its place.
func TestBoardFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "board")
	for text, want := range map[string]string{
		"": "", "# a button\n\npin1 = 1": "", "pin1 = 1\npin2 = often": file + ":2: ", "nonsense": file + ":1: ",
		"uart12 < \\n\npin99 = 1": file + ":2: there is no pin or bus pin99", "i2cXX 0x98 00 = 01": file + ":1: there is no",
		"voltage=3.1\ni2c89 0x90 00 = 1a": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := (&Hardware{Board: file}).NewBoard()
		switch {
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, want %s", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case strings.HasPrefix(text, "#") && w.Simulated.Read("pin1", time.Time{}) != 1:
			t.Errorf("%q: the pin is low", text)
		}
	}
	if _, err := (&Hardware{Board: file + "s"}).NewBoard(); err == nil || !strings.Contains(err.Error(), file+"s") {
		t.Errorf("a file that is not there: %v", err)
	}
}
