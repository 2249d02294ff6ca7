// Package pgtest runs real PostgreSQL servers for tests.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	url := pgtest.Start(t) // an empty database for this test alone
//
// The databases of one test binary share a server, which the first call of Start
// starts. Main stops it and removes its files. Without Main it ends with the process,
// however that ends, and the next process that uses the package removes the files.
// The server syncs to disk as in production.
//
// A test that kills and restarts a server needs one of its own:
//
//	s, err := pgtest.StartServer(pgtest.Dir(t), 0)
//	url, err := s.Create(ctx)
//	s.Stop(true) // kill -9
//	s.Start()
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// shared is the server of the test binary.
type shared struct {
	once   sync.Once
	server *Server
	dir    string
	err    error
}

var one shared

// Start returns the URL of a new database.
func Start(tb testing.TB) (url string) {
	tb.Helper()
	one.once.Do(one.start)
	if one.err != nil {
		tb.Fatal(one.err)
	}
	url, err := one.server.Create(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return url
}

// Main runs a test binary's tests, and returns its exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if err := one.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests' PostgreSQL server:", err)
		code = max(code, 1)
	}
	return code
}

// prefix begins the names of directories; the id of the process follows.
const prefix = "tandem-pgtest-"

func (s *shared) start() {
	if s.err = sweep(); s.err != nil {
		return
	}
	if s.dir, s.err = MakeDir(); s.err != nil {
		return
	}
	s.server, s.err = StartServer(s.dir, 0)
}

func (s *shared) stop() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Quit())
	}
	if s.dir != "" {
		errs = append(errs, Remove(s.dir))
	}
	return errors.Join(errs...)
}

// MakeDir makes a directory for a server's files. The caller must Remove it.
func MakeDir() (string, error) {
	return os.MkdirTemp("", prefix+strconv.Itoa(os.Getpid())+"-")
}

// Dir returns a directory for a server's files until the test ends. A tb.TempDir will
// not do: when root makes it, the user of the server has no access to it.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := MakeDir()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := Remove(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// sweep removes the files of processes that have ended.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := Remove(dir); err != nil {
			return err
		}
	}
	return nil
}
