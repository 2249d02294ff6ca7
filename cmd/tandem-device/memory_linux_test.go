package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// resident returns how many kB of files are in this process's memory.
func resident(t *testing.T) (size int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssFile:")
	if _, err := fmt.Sscan(rest, &size); err != nil {
		t.Fatal(err)
	}
	return size
}

// TestRelease: much of the program is not needed any more, and what is comes back by itself.
func TestRelease(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(program); err != nil { // so that all of it is in the system's cache
		t.Fatal(err)
	}
	var out, errs strings.Builder
	run(t.Context(), []string{"--help"}, &out, &errs)
	before := resident(t)
	release()
	if after := resident(t); after >= before {
		t.Errorf("%d kB of %d stay", after, before)
	}
	again, help := out.String(), new(strings.Builder)
	if status := run(t.Context(), []string{"--help"}, help, &errs); status != 0 || help.String() != again {
		t.Errorf("status %d: %s", status, help)
	}
}
