package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/internal/child"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

// TestMain lets the test binary be the tandem command, so that the tests can
// run it as processes of its own, kill them, and race-check them.
func TestMain(m *testing.M) {
	if os.Getenv("TANDEM_TEST_COMMAND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the tandem command, to be run.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TANDEM_TEST_COMMAND=1")
	return cmd
}

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// process is a running tandem command whose output is looked through as it
// comes.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	done  chan struct{} // closed when all output was read
	ended chan error

	mu   sync.Mutex
	news *sync.Cond
	out  []byte
	seen int // up to where expect has looked
	end  bool
}

// start runs a tandem command; the test's end ends it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(args...), done: make(chan struct{})}
	p.news = sync.NewCond(&p.mu)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if p.ended, err = child.Start(p.cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go p.read(r)
	t.Cleanup(func() {
		p.cmd.Process.Kill() // it may have ended
		p.wait()
		if t.Failed() {
			t.Logf("output of tandem %s:\n%s", strings.Join(args, " "), p.text())
		}
	})
	return p
}

func (p *process) read(r *os.File) {
	defer close(p.done)
	defer r.Close()
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		p.mu.Lock()
		p.out = append(p.out, buf[:n]...)
		p.end = err != nil
		p.news.Broadcast()
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.out)
}

// expect waits for output that matches, after what was expected before, and
// returns the submatches.
func (p *process) expect(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	deadline := time.Now().Add(patience)
	wake := time.AfterFunc(patience, p.news.Broadcast)
	defer wake.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if m := re.FindSubmatchIndex(p.out[p.seen:]); m != nil {
			var groups []string
			for i := 0; i < len(m); i += 2 {
				groups = append(groups, string(p.out[p.seen+m[i]:p.seen+m[i+1]]))
			}
			p.seen += m[1]
			return groups
		}
		if p.end || time.Now().After(deadline) {
			rest := string(p.out[p.seen:])
			p.mu.Unlock()
			defer p.mu.Lock()
			p.t.Fatalf("no output matches %q; since the last that did:\n%s", pattern, rest)
		}
		p.news.Wait()
	}
}

// expectAnywhere is expect for output that may have come before what was expected, because
// another part of the process writes it.
func (p *process) expectAnywhere(pattern string) {
	p.t.Helper()
	p.mu.Lock()
	seen := p.seen
	p.seen = 0
	p.mu.Unlock()
	p.expect(pattern)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = max(p.seen, seen)
}

// count returns how often a pattern has occurred so far.
func (p *process) count(pattern string) int {
	return len(regexp.MustCompile("(?m)"+pattern).FindAllString(p.text(), -1))
}

// press presses keys of tandem dev.
func (p *process) press(key string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, key+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.wait()
}

// stop ends the process politely and checks that it ends well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if status := p.wait(); status != 0 {
		p.t.Errorf("exit status %d", status)
	}
}

func (p *process) wait() int {
	<-p.done
	err := <-p.ended
	p.ended <- err
	return p.cmd.ProcessState.ExitCode()
}

// pair is a running tandem dev.
type pair struct {
	*process
	dir  string
	url  string
	args []string
}

// startDev runs tandem dev on a directory with these files.
func startDev(t *testing.T, files map[string]string, flags ...string) *pair {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	p := &pair{dir: dir, args: append(append([]string{"dev", dir}, flags...), freeAddrs(t)...)}
	p.restart(t)
	return p
}

// restart runs tandem dev again on the same directory and addresses.
func (p *pair) restart(t *testing.T) {
	t.Helper()
	p.process = start(t, p.args...)
	p.url = p.expect(`^Agent   (http://\S+)$`)[1]
}

func (p *pair) addr(flag string) string {
	for i, a := range p.args {
		if a == flag {
			return p.args[i+1]
		}
	}
	return ""
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// example returns the files of an example.
func example(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	names, err := filepath.Glob(filepath.Join("../../examples", name, "*.nut"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no example %s: %v", name, err)
	}
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(n)] = string(data)
	}
	return files
}

// freeAddr returns a loopback address at which no process listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// freeAddrs returns flags with such addresses for all listeners of a node.
func freeAddrs(t *testing.T) []string {
	t.Helper()
	return []string{"--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t)}
}

// get asks the agent; the status must be 200.
func (p *pair) get(path string) string {
	p.t.Helper()
	status, body := p.request("GET", path, "")
	if status != http.StatusOK {
		p.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return body
}

func (p *pair) request(method, path, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Timeout: patience}
	r, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(data)
}

// until asks the agent until the answer matches. It is for what the pair does
// in its own time and does not log.
func (p *pair) until(path, pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(patience)
	for {
		body := p.get(path)
		if re.MatchString(body) {
			return body
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s never matched %q; last: %s", path, pattern, body)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// runCommand runs a command to its end.
func runCommand(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
