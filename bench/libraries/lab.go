package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
)

// lab is a node with one device, and the service that the libraries use.
type lab struct {
	tandem  string
	dir     string
	verbose bool
	service *service
	session int
	parts   []*exec.Cmd
	lines   chan string // of the device's log
}

const patience = 20 * time.Second

func newLab(ctx context.Context, tandem string, verbose bool) (l *lab, err error) {
	l = &lab{tandem: tandem, verbose: verbose}
	if l.tandem, err = filepath.Abs(tandem); err != nil {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp("", "libraries"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
			l = nil
		}
	}()
	var web, agents, link string
	for _, addr := range []*string{&web, &agents, &link} {
		if *addr, err = node.FreeAddr(); err != nil {
			return l, err
		}
	}
	if l.service, err = newService(agents); err != nil {
		return l, err
	}
	if err := l.start(nil, "up", "--http", web, "--agents", agents, "--mqtt", link, "--agents-url", l.service.url,
		"--trusted-proxy", "127.0.0.1", "--egress", "127.0.0.0/8"); err != nil {
		return l, err
	}
	for deadline := time.Now().Add(patience); ; {
		if err = l.command(ctx, "device", "list"); err == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return l, err
		}
		<-time.After(50 * time.Millisecond)
	}
	out, err := l.output(ctx, "device", "add")
	if err != nil {
		return l, err
	}
	made := regexp.MustCompile(`ID=(\S+)\nKEY=(\S+)`).FindStringSubmatch(out)
	if made == nil {
		return l, fmt.Errorf("a device was made with %q", out)
	}
	if err := l.start(nil, "device", "run", "--id", made[1], "--key", made[2], "--node", "tcp://"+link,
		"--dir", filepath.Join(l.dir, "device")); err != nil {
		return l, err
	}
	l.lines = make(chan string, 1000)
	return l, l.start(l.lines, "log", "-f", "-n", "0", made[1])
}

func (l *lab) cmd(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.tandem, args...)
	cmd.Env = append(os.Environ(), "TANDEM_DATA="+filepath.Join(l.dir, "node"))
	if args[0] == "up" {
		cmd.Args = append(cmd.Args, "--data", filepath.Join(l.dir, "node"))
	}
	return cmd
}

// start runs a command until close; its output goes to lines if that is not nil.
func (l *lab) start(lines chan<- string, args ...string) error {
	cmd := l.cmd(context.Background(), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if l.verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	l.parts = append(l.parts, cmd)
	go read(out, lines) // ends with the process
	return nil
}

func read(out io.Reader, lines chan<- string) {
	for s := bufio.NewScanner(out); s.Scan(); {
		if lines != nil {
			lines <- s.Text()
		}
	}
	if lines != nil {
		close(lines)
	}
}

func (l *lab) output(ctx context.Context, args ...string) (string, error) {
	cmd := l.cmd(ctx, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %s", strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

func (l *lab) command(ctx context.Context, args ...string) error {
	_, err := l.output(ctx, args...)
	return err
}

// close stops what was started, in reverse order.
func (l *lab) close() error {
	var errs []error
	for i := len(l.parts) - 1; i >= 0; i-- {
		l.parts[i].Process.Signal(os.Interrupt) // ignore the error: it may have ended
		if err := l.parts[i].Wait(); err != nil && i == 0 {
			errs = append(errs, fmt.Errorf("the node ended with %w", err))
		}
	}
	if l.service != nil {
		errs = append(errs, l.service.close())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// outcome is the result of a test; an empty reason means that it passed.
type outcome struct{ test, reason string }

// try runs all tests of a program. A test that ends its side's VM fails; the remaining
// tests run afterwards.
func (l *lab) try(ctx context.Context, p *program) ([]outcome, error) {
	var all []outcome
	for from := 0; ; {
		l.session++
		session := strconv.Itoa(l.session)
		if err := l.deploy(ctx, p, session, from); err != nil {
			return append(all, outcome{"compile", err.Error()}), nil
		}
		w := watch{session: session, patience: time.Duration(p.timeout+30) * time.Second, number: -1, verbose: l.verbose}
		crashed, err := w.read(ctx, l.lines)
		all = append(all, w.outcomes...)
		if err != nil || !crashed {
			return all, err
		}
		if w.number < 0 {
			return append(all, outcome{"start", w.reason()}), nil
		}
		all = append(all, outcome{w.test, w.reason()})
		if from = w.number + 1; from >= w.total {
			return all, nil
		}
	}
}

func (l *lab) deploy(ctx context.Context, p *program, session string, from int) error {
	dir := filepath.Join(l.dir, "code")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, side := range []string{"agent", "device"} {
		text, err := p.source(side, session, from, l.service.url)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, side+".nut"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return l.command(ctx, "deploy", dir)
}

// watch follows a run in the log.
type watch struct {
	session  string
	patience time.Duration // the longest time without a line
	verbose  bool

	total    int
	number   int // of the current or last test
	test     string
	ended    bool // the test
	errors   []string
	outcomes []outcome
}

func (w *watch) reason() string {
	if len(w.errors) == 0 {
		return "its program ended"
	}
	return "its program ended: " + strings.Join(w.errors, "; ")
}

var restarted = regexp.MustCompile(`\[Status\] (?:Agent|Device) (?:re)?started: (exception|out_of_memory|watchdog)`)

// read reads the log until all tests have run, or the program has ended early.
func (w *watch) read(ctx context.Context, lines <-chan string) (crashed bool, err error) {
	begun := false
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(w.patience):
			w.errors = append(w.errors, "nothing was heard of it for "+w.patience.String())
			return true, nil
		case line, ok := <-lines:
			if !ok {
				return false, errors.New("the log has ended")
			}
			if w.verbose {
				fmt.Println("   ", line)
			}
			_, said, ours := strings.Cut(line, "@@"+w.session+" ")
			switch {
			case ours:
				begun = true
				if w.say(said) {
					return false, nil
				}
			case strings.Contains(line, "] ERROR: ") && (begun || !strings.Contains(line, "@@")):
				_, text, _ := strings.Cut(line, "] ERROR: ")
				w.errors = append(w.errors, strings.TrimSpace(text))
			case restarted.MatchString(line) && (begun || len(w.errors) > 0):
				return true, nil
			}
		}
	}
}

// say handles a line of case.nut; it returns true when all tests are done.
func (w *watch) say(said string) bool {
	verb, rest, _ := strings.Cut(said, " ")
	number, rest, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(number) // "done" has no number
	switch verb {
	case "tests":
		w.total = n
	case "test":
		w.number = n
		w.test = rest
		w.ended = false
		w.errors = nil
	case "pass":
		w.outcomes = append(w.outcomes, outcome{test: rest})
		w.ended = true
	case "fail":
		test, reason, _ := strings.Cut(rest, " ")
		w.outcomes = append(w.outcomes, outcome{test, reason})
		w.ended = true
	}
	return verb == "done"
}
