package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlashUnwritable: a flash that can only be read is, and one that is no file is set aside. A
// program that runs cannot be written, not even by root.
func TestFlashUnwritable(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, flashFile)); err != nil {
		t.Fatal(err)
	}
	d := &disk{dir: dir}
	f := d.openFlash()
	if len(d.said) != 1 || !strings.Contains(d.said[0], "cannot be written") {
		t.Fatalf("said %q", d.said)
	}
	b := make([]byte, 4)
	if _, err := f.ReadAt(b, 0); err != nil || b[0] != ^byte(0x7f) {
		t.Errorf("read %v, %v", b, err)
	}
	if _, err := f.WriteAt(b, 0); err == nil {
		t.Error("it was written")
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	blocked := t.TempDir()
	if err := os.Mkdir(filepath.Join(blocked, flashFile), 0o700); err != nil {
		t.Fatal(err)
	}
	d = &disk{dir: blocked}
	f = d.openFlash()
	if len(d.said) != 1 || !strings.Contains(d.said[0], "set aside") {
		t.Fatalf("said %q", d.said)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Error(err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if _, err := (&flash{}).WriteAt(b, 0); err == nil {
		t.Error("a flash that is not there was written")
	}
}
