package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

// crashEnv names the database file of a test process that saves until it is
// killed.
const crashEnv = "TANDEM_STORE_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		fmt.Fprintln(os.Stderr, saveForEver(path))
		os.Exit(1)
	}
	os.Exit(pgtest.Main(m))
}

const crashAgents = 8

func crashAgent(i int) tandem.AgentID { return tandem.AgentID(fmt.Sprintf("agent-%06d", i)) }

// saveForEver saves numbers from several agents, and prints each one that was
// acknowledged as "agent incarnation number". Each number is also the length
// of its table, in part, so that tables of all sizes occur.
func saveForEver(path string) error {
	s, err := Open(context.Background(), path)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	for i := range crashAgents {
		id := crashAgent(i)
		var next func(incarnation uint64, n int)
		next = func(incarnation uint64, n int) {
			s.Save(id, incarnation, crashTable(n), tandem.Mark{Boot: incarnation, Seq: uint64(n)}, func(err error) {
				if err != nil {
					failed <- err
					return
				}
				// One write, so that lines are whole. The pipe may block; only
				// the parent's death makes it fail.
				if _, err := fmt.Println(i, incarnation, n); err != nil {
					failed <- err
					return
				}
				next(incarnation, n+1)
			})
		}
		s.Begin(id, func(incarnation uint64, err error) {
			if err != nil {
				failed <- err
				return
			}
			next(incarnation, 1)
		})
	}
	go func() { failed <- s.Run(context.Background()) }()
	return <-failed
}

func crashTable(n int) []byte {
	return []byte(strconv.Itoa(n) + strings.Repeat(".", n*37%9000))
}

// TestKill kills a process that saves, again and again, and checks that every
// save it was told of is there, whole, and no other than the one after it.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tandem.db")
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashEnv+"="+path)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := killAfter(t, cmd, out, 1+rand.IntN(400))
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the child was not killed: %v %s", err, stderr.String())
		}
		checkAcknowledged(t, path, uint64(round+1), acknowledged)
	}
}

// killAfter kills a process some time after its n-th line, and returns the
// newest number of each agent that it printed.
func killAfter(t *testing.T, cmd *exec.Cmd, out io.Reader, n int) (acknowledged [crashAgents]int) {
	lines := bufio.NewScanner(out)
	var kill sync.Once
	for seen := 0; lines.Scan(); seen++ {
		var i, incarnation, number int
		if _, err := fmt.Sscan(lines.Text(), &i, &incarnation, &number); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		acknowledged[i] = number
		if seen >= n {
			kill.Do(func() {
				// Not here and now, where the child would always be printing.
				time.AfterFunc(time.Duration(rand.IntN(int(20*time.Millisecond))), func() {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
	return acknowledged
}

func checkAcknowledged(t *testing.T, path string, incarnation uint64, acknowledged [crashAgents]int) {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i, n := range acknowledged {
		r := recordOf(t, s, crashAgent(i))
		got := int(r.Mark.Seq)
		if n > 0 && (r.Incarnation != incarnation || got < n) {
			t.Errorf("agent %d: save %d of incarnation %d was acknowledged, the record has %d of %d",
				i, n, incarnation, got, r.Incarnation)
		}
		if got > 0 && string(r.Saved) != string(crashTable(got)) {
			t.Errorf("agent %d: the table of save %d is damaged", i, got)
		}
	}
	var verdict string
	if err := s.read.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}
