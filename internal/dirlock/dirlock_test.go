package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-iot/tandem"
)

func TestTake(t *testing.T) {
	dir := t.TempDir()
	first, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(dir)
	in := new(InUse)
	if !errors.As(err, &in) || in.Dir != dir || in.By != fmt.Sprint("process ", os.Getpid()) ||
		tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("a second lock: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second.Holder != first.Holder {
		t.Errorf("the lock is called %s, then %s", first.Holder, second.Holder)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(filepath.Join(dir, "missing")); tandem.KindOf(err) != tandem.Invalid {
		t.Errorf("a directory that does not exist: %v", err)
	}
}

// TestLockFile: the lock holds whatever becomes of the file in the directory.
func TestLockFile(t *testing.T) {
	damage := map[string]func(path string) error{
		"removed":     os.Remove,
		"replaced":    func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"emptied":     func(path string) error { return os.Truncate(path, 0) },
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"unreadable":  func(path string) error { return os.Chmod(path, 0) },
	}
	for what, do := range damage {
		dir := t.TempDir()
		first, err := Take(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := do(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Take(dir); tandem.KindOf(err) != tandem.Conflict {
			t.Errorf("the file is %s: a second lock gives %v", what, err)
		}
		if err := first.Release(); err != nil {
			t.Error(err)
		}
		again, err := Take(dir)
		if err != nil {
			t.Errorf("the file is %s: the directory cannot be locked again: %v", what, err)
			continue
		}
		if err := again.Release(); err != nil {
			t.Error(err)
		}
	}
}
