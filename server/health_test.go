//go:build linux

package server

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/store"
)

// TestHealth: while the files of a node cannot grow, its health and metrics say so; agents and the
// manual answer all the same, and then all is well again by itself.
func TestHealth(t *testing.T) {
	n := start(t, &Server{Version: "test"})
	health := func() (int, string) { return n.get(n.URL+"/health", nil) }
	if status, text := health(); status != 200 || text != "ok\n" {
		t.Errorf("at first: %d %q", status, text)
	}
	signal.Ignore(syscall.SIGXFSZ)
	t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	wal, err := os.Stat(filepath.Join(n.dir, "tandem.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	lower := before
	lower.Cur = uint64(wal.Size())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
		t.Fatal(err)
	}
	lift := sync.OnceFunc(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(lift)
	name := 0
	write := func() error {
		name++
		user := strings.Repeat("x", 2000+name)
		_, err := n.Central.Store.AddAccount(t.Context(), store.Account{Username: user, Email: user})
		return err
	}
	eventually(t, "a write fails", func() bool { return write() != nil })
	if status, text := health(); status != 503 || !strings.Contains(text, "does not take writes") {
		t.Errorf("without room: %d %q", status, text)
	}
	if status, _ := n.get(n.URL+"/docs/", nil); status != 200 {
		t.Errorf("without room the manual answers %d", status)
	}
	if f := n.figures(t); f["tandem_store_failing"] != 1 {
		t.Errorf("the metric is %v", f["tandem_store_failing"])
	}
	lift()
	eventually(t, "a write succeeds", func() bool { return write() == nil })
	eventually(t, "all is well", func() bool {
		status, text := health()
		return status == 200 && text == "ok\n"
	})
	f := n.figures(t)
	for _, name := range []string{"store_failing", "store_damaged", "store_went_back_total", "log_failing"} {
		if v, ok := f["tandem_"+name]; !ok || v != 0 {
			t.Errorf("%s is %v, %v", name, v, ok)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond)
	}
}
