//go:build linux

package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tandem-iot/tandem"
)

// limit lowers a limit of the process until the returned function is called.
func limit(t *testing.T, resource int, to uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(resource, &before); err != nil {
		t.Fatal(err)
	}
	lower := before
	lower.Cur = to
	if err := syscall.Setrlimit(resource, &lower); err != nil {
		t.Fatal(err)
	}
	lift = sync.OnceFunc(func() {
		if err := syscall.Setrlimit(resource, &before); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(lift)
	return lift
}

// shortages are ways in which there is no more room for a database.
var shortages = []struct {
	name string
	make func(t *testing.T, dir string) (mend func())
	says string
}{
	{"files may not grow", func(t *testing.T, dir string) func() {
		signal.Ignore(syscall.SIGXFSZ)
		t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
		wal, err := os.Stat(filepath.Join(dir, "tandem.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return limit(t, syscall.RLIMIT_FSIZE, uint64(wal.Size())+64<<10)
	}, "the disk of the database"},
	{"the disk is full", func(t *testing.T, dir string) func() {
		ballast := filepath.Join(dir, "ballast")
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = f.Write(make([]byte, 4<<10))
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(ballast); err != nil {
				t.Error(err)
			}
		}
	}, "no space is left"},
}

// TestShortage: when there is no room, saves fail and say so, and nothing that was acknowledged is
// lost; when there is room again, the store goes on by itself.
func TestShortage(t *testing.T) {
	for _, tt := range shortages {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if strings.Contains(tt.name, "disk") {
				if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
					t.Skipf("a disk cannot be mounted: %v", err)
				}
				t.Cleanup(func() {
					if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
						t.Error(err)
					}
				})
			}
			testShortage(t, dir, tt.make, tt.says)
		})
	}
}

func testShortage(t *testing.T, dir string, shortage func(*testing.T, string) func(), says string) {
	path := filepath.Join(dir, "tandem.db")
	s := must[*Store](t)(Open(t.Context(), path))
	out := &loud{}
	s.LogTo(slog.New(slog.NewTextHandler(out, nil)))
	stop := run(t, s)
	begin(t, s, agent)
	last, failed := "", error(nil)
	text := func(i int) string { return fmt.Sprintf("%032768d", i) }
	write := func(from, count int) {
		failed = nil
		for i := from; i < from+count && failed == nil; i++ {
			if failed = save(s, agent, 1, text(i), tandem.Mark{}); failed == nil {
				last = text(i)
			}
		}
	}
	write(0, 10)
	mend := shortage(t, dir)
	write(10, 1000)
	if tandem.KindOf(failed) != tandem.Unavailable || !strings.Contains(failed.Error(), says) {
		t.Fatalf("a save without room: %v", failed)
	}
	if s.Health().Failing == nil {
		t.Error("the health says nothing")
	}
	if r := recordOf(t, s, agent); string(r.Saved) != last {
		t.Error("the agent has something else than what was acknowledged last")
	}
	mend()
	write(2000, 10)
	if failed != nil || s.Health().Failing != nil {
		t.Errorf("with room again: %v, %+v", failed, s.Health())
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	said := out.text.String()
	if strings.Count(said, "does not take writes") != 1 || strings.Count(said, "takes writes again") != 1 {
		t.Errorf("it says %s", said)
	}
	s = openFile(t, path)
	if r := recordOf(t, s, agent); string(r.Saved) != last {
		t.Error("after a restart the agent has something else than what was acknowledged last")
	}
}

// TestNoDescriptors: a store that is open needs no more descriptors.
func TestNoDescriptors(t *testing.T) {
	s := open(t)
	begin(t, s, agent)
	lift := limit(t, syscall.RLIMIT_NOFILE, 3)
	var all sync.WaitGroup
	for range 4 * readers {
		all.Go(func() {
			for range 50 {
				if _, err := s.Record(context.Background(), agent); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Devices(context.Background(), DeviceFilter{}, Page{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 2000 { // so that the log is written back to the database meanwhile
		if err := save(s, agent, 1, fmt.Sprintf("%02000d", i), tandem.Mark{}); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	lift()
}
