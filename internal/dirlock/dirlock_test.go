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
