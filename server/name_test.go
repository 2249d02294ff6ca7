package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/child"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// childNode is the environment variable with a childServer for a test binary that is to
// be a node.
const childNode = "TANDEM_TEST_NODE"

// childServer is what a node in a process of its own needs, so that it can be killed.
type childServer struct {
	Dir     string
	Cluster *Cluster
}

// runChildNode runs a node until the process is killed.
func runChildNode() int {
	var c childServer
	if err := json.Unmarshal([]byte(os.Getenv(childNode)), &c); err != nil {
		fmt.Println(err)
		return 1
	}
	s := &Server{
		Dir: c.Dir, HTTP: "127.0.0.1:0", MQTT: "127.0.0.1:0", Agents: Agents{Listen: "127.0.0.1:0"},
		Version: "test", Cluster: c.Cluster,
		Ready: func(*Node) { fmt.Println("ready") },
	}
	fmt.Println(s.Run(context.Background()))
	return 1
}

// startChild starts a node in a process of its own, and returns a function that kills it
// as a power cut would.
func startChild(t *testing.T, c childServer) (kill func()) {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childNode+"="+string(config))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	ended, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the node did not start: %q, %v", line, err)
	}
	kill = sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	t.Cleanup(kill)
	return kill
}

// logLines is a node's log.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// about returns the lines with a text.
func (l *logLines) about(text string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			list = append(list, line)
		}
	}
	return list
}

// refused runs a server, which must not start.
func refused(t *testing.T, s *Server) error {
	t.Helper()
	s.HTTP, s.MQTT = "127.0.0.1:0", "127.0.0.1:0"
	s.Agents.Listen = "127.0.0.1:0"
	s.Ready = func(*Node) { t.Error("the node starts") }
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	return s.Run(ctx)
}

// TestDirInUse: a directory that a node runs with is refused to a second one, alone or in
// a cluster, and the first does not notice.
func TestDirInUse(t *testing.T) {
	url := pgtest.Start(t)
	for _, c := range []*Cluster{nil, {Database: url, Listen: "127.0.0.1:0"}} {
		dir := t.TempDir()
		n := start(t, &Server{Dir: dir, Cluster: c})
		var second *Cluster
		if c != nil {
			second = &Cluster{Database: url, Listen: "127.0.0.1:0"}
		}
		err := refused(t, &Server{Dir: dir, Cluster: second})
		want := fmt.Sprintf("the data directory %s is in use by process %d: stop that node, or give", dir, os.Getpid())
		if tandem.KindOf(err) != tandem.Conflict || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		n.talk("tcp://"+n.MQTT, nil)
		n.end()
		again := start(t, &Server{Dir: dir, Cluster: c})
		again.end()
	}
}

// TestNameInUse: the name of a node that runs is refused to another one, and the first
// node does not notice: it keeps its session and its agents.
func TestNameInUse(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t), lease: 6 * time.Second}
	n := f.add()
	n.until("settled", func() bool { return n.settled(1) })
	for range 2 {
		err := refused(t, &Server{
			Dir: t.TempDir(), Cluster: &Cluster{Database: f.url, Node: "n1", Listen: "127.0.0.1:0", Lease: 2 * time.Second},
		})
		if tandem.KindOf(err) != tandem.Conflict || !strings.Contains(err.Error(), "another node has the name n1") {
			t.Errorf("%v", err)
		}
	}
	m, err := n.Central.Store.Membership(t.Context(), -1)
	if err != nil || len(m.Nodes) != 1 || m.Nodes[0].Session != 1 {
		t.Errorf("%+v, %v", m.Nodes, err)
	}
	n.talk("tcp://"+n.MQTT, nil)
}

// TestCrash: a node that was killed joins again with its directory long before its lease
// has run out. The other node's log has one line when it is gone, and one when it is back.
func TestCrash(t *testing.T) {
	url := pgtest.Start(t)
	log := new(logLines)
	first := start(t, &Server{
		Cluster: &Cluster{Database: url, Node: "n1", Listen: "127.0.0.1:0", Lease: 2 * time.Second},
		Logger:  slog.New(slog.NewTextHandler(log, nil)),
	})
	c := childServer{
		Dir:     filepath.Join(t.TempDir(), "data"),
		Cluster: &Cluster{Database: url, Node: "n2", Listen: freeAddr(t), Lease: time.Hour},
	}
	joined := 0
	start := func() (kill func()) {
		kill = startChild(t, c)
		joined++
		first.until("the other node is there", func() bool {
			return len(log.about(`msg="a node is part of the cluster"`)) == joined && first.settled(2)
		})
		return kill
	}
	kill := start()
	for range 2 {
		kill()
		began := time.Now()
		kill = start()
		t.Logf("the node that was killed is back after %v", time.Since(began))
	}
	kill()
	c.Cluster.Lease = 2 * time.Second
	kill = start()
	before := len(log.about(""))
	kill()
	first.until("one node", func() bool { return first.settled(1) })
	start()
	lines := log.about("")[before:]
	if len(lines) != 2 || !strings.Contains(lines[0], "a node is gone") ||
		!strings.Contains(lines[1], "a node is part of the cluster") {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, ""))
	}
}

// TestNameTaken: a node whose name another run has taken, as when it stood still, ends and
// says why; it does not take the name back.
func TestNameTaken(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t), lease: 6 * time.Second}
	n := f.add()
	n.until("settled", func() bool { return n.settled(1) })
	s, err := store.OpenPostgres(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	claim := record.Claim{Node: "n1", Key: "another run", Address: "127.0.0.1:1"}
	if err := db.QueryRow(t.Context(), "SELECT holder FROM claims").Scan(&claim.Holder); err != nil {
		t.Fatal(err)
	}
	if err := s.Claim(t.Context(), claim, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(t.Context(), record.Node{ID: "n1", Draining: true}, time.Hour); err != nil {
		t.Fatal(err)
	}
	const want = "another node has the name n1"
	if err := n.wait(); tandem.KindOf(err) != tandem.Conflict || !strings.Contains(err.Error(), want) {
		t.Errorf("the first run ended with %v", err)
	}
	m, err := s.Membership(t.Context(), -1)
	if err != nil || len(m.Nodes) != 1 || m.Nodes[0].Key != claim.Key || m.Nodes[0].Session != 2 {
		t.Errorf("%+v, %v", m.Nodes, err)
	}
}
