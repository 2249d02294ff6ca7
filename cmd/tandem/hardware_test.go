package main

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
			f := hardwareFlags{Module: written}
			if _, err := f.hardware(); err != nil || f.Module != name {
				t.Errorf("%q: %q, %v", written, f.Module, err)
			}
		}
	}
	_, err := (&hardwareFlags{Module: "imp9"}).hardware()
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
		w, err := (&hardwareFlags{Board: file}).hardware()
		switch {
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, want %s", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case strings.HasPrefix(text, "#") && w.board.Read("pin1", time.Time{}) != 1:
			t.Errorf("%q: the pin is low", text)
		}
	}
	if _, err := (&hardwareFlags{Board: file + "s"}).hardware(); err == nil || !strings.Contains(err.Error(), file+"s") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// boardReader is device code that logs what a sensor on the board says, when it changes.
const boardReader = `
hardware.i2c89.configure(CLOCK_SPEED_100_KHZ);
was <- null;
function look() {
    imp.wakeup(0.05, look);
    local data = hardware.i2c89.read(0x90, "\x00", 1);
    if (data != was) server.log("it reads " + (data == null ? "nothing" : data[0].tostring()));
    was = data;
}
look();`

// TestBoardInDev: a sensor answers as the file says, and otherwise once it was saved again.
func TestBoardInDev(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "board.txt")
	write(t, filepath.Join(dir, "agent.nut"), "")
	write(t, filepath.Join(dir, "device.nut"), boardReader)
	write(t, file, "i2c89 0x90 00 = 1a")
	p := &pair{dir: dir, args: append([]string{"dev", dir, "--board", file}, freeAddrs(t)...)}
	p.restart(t)
	p.expect(`\[Device\] it reads 26`)
	write(t, file, "# warmer\ni2c89 0x90 00 = 1b\n")
	p.expect(`^The board has got the lines of .*board\.txt\.$`)
	p.expect(`\[Device\] it reads 27`)
	write(t, file, "pin1 = often")
	p.expect(`^.*board\.txt:1: "often": not a level`)
	if n := p.count(`restarted|Not deployed`); n != 0 {
		t.Errorf("the pair was restarted or deployed %d times", n)
	}
}

// TestBoardInDeviceRun: a device that runs alone reads the file again, too.
func TestBoardInDeviceRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "board.txt")
	code := filepath.Join(dir, "code.nut")
	write(t, code, boardReader)
	write(t, file, "i2c89 0x90 00 = 1a")
	p := startDev(t, map[string]string{"agent.nut": ""})
	who := p.expect(`ID=(\S+) KEY=(\S+)`)
	d := start(t, "device", "run", "--id", who[1], "--key", who[2], "--node", "tcp://"+p.addr("--mqtt"),
		"--dir", filepath.Join(dir, "state"), "--code", code, "--board", file)
	p.expect(`\[Device\] it reads 26`)
	write(t, file, "# warmer\ni2c89 0x90 00 = 1b\n")
	d.expect(`The board has got the lines of .*board\.txt\.`)
	p.expect(`\[Device\] it reads 27`)
	write(t, file, "pin1 = often")
	d.expect(`board\.txt:1: \\"often\\": not a level`)
}
