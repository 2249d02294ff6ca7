package main

import (
	"path/filepath"
	"testing"
)

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
	p.expect(`\[Device\] it reads 27`)
	p.expectAnywhere(`^The board has got the lines of .*board\.txt\.$`)
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
	state := filepath.Join(dir, "state")
	status, _, errs := runCommand(t, "", "device", "set", "--dir", state, who[1], "i2c89 0x90 00 = 1c")
	if status != 0 {
		t.Error(errs)
	}
	p.expect(`\[Device\] it reads 28`)
}
