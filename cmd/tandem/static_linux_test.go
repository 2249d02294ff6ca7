package main

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatic: what make build makes is one file that runs on any Linux: it needs neither
// the C library of the machine on which it was built, nor its directories.
func TestStatic(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "tandem")
	if out, err := exec.Command("make", "-C", "../..", "build", "BIN="+bin).CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a program header %v: it is linked dynamically", p.Type)
		}
	}
	out, err := exec.Command(bin, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "tandem ") {
		t.Errorf("version: %v, %s", err, out)
	}
}
