package launch

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
)

// boardFile is the file in a device's directory by which commands on the same machine reach its board.
// Only its owner can read it. A command sends the secret and, in further lines, what is to happen; the
// answer is what is wrong with them, nothing when it has happened.
const boardFile = "board.json"

// reach is what the file says.
type reach struct {
	Device tandem.DeviceID `json:"device"`
	Addr   string          `json:"addr"`
	Secret string          `json:"secret"`
}

// Bounds of what one command has happen at a board.
const (
	maxLines    = 64 << 10 // bytes
	reachWait   = 10 * time.Second
	wrongSecret = "the secret is another one"
)

// Serve takes lines for the board from commands on this machine, until ctx ends. dir is the device's
// directory.
func (w *Wiring) Serve(ctx context.Context, dir string, id tandem.DeviceID) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	at := reach{id, l.Addr().String(), rand.Text()}
	if err := at.write(dir); err != nil {
		l.Close()
		return err
	}
	defer os.Remove(filepath.Join(dir, boardFile)) // ignore the error: a stale file is noticed
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		clients.Go(func() { w.serve(c, at.Secret) })
	}
}

// serve takes lines from one command.
func (w *Wiring) serve(c net.Conn, secret string) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(reachWait)); err != nil {
		return
	}
	text, err := io.ReadAll(io.LimitReader(c, maxLines))
	if err != nil {
		return // the command has gone
	}
	given, lines, _ := strings.Cut(string(text), "\n")
	answer := ""
	if subtle.ConstantTimeCompare([]byte(given), []byte(secret)) != 1 {
		answer = wrongSecret
	} else if err := w.setAll(lines); err != nil {
		answer = err.Error()
	}
	io.WriteString(c, answer) // ignore the error: the command has gone
}

// setAll has lines happen, or none when there is a mistake in one.
func (w *Wiring) setAll(lines string) error {
	all := strings.Split(lines, "\n")
	for _, line := range all {
		if err := CheckLine(line); err != nil {
			return err
		}
		if err := w.check(line); err != nil {
			return err
		}
	}
	for _, line := range all {
		if err := w.Set(line); err != nil {
			return err
		}
	}
	return nil
}

func (r *reach) write(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(dir, boardFile)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o600)
}

// SetBoard has lines happen at the board of the device that runs in a directory. The error is of kind
// NotFound when none does. id is the device that is meant, "" for any.
func SetBoard(ctx context.Context, dir string, id tandem.DeviceID, lines []string) error {
	none := tandem.Errorf(tandem.NotFound, "no device with a simulated board runs in %s", dir)
	data, err := os.ReadFile(filepath.Join(dir, boardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return none
	}
	if err != nil {
		return err
	}
	var at reach
	if err := json.Unmarshal(data, &at); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, boardFile), err)
	}
	if id != "" && at.Device != id {
		return none
	}
	answer, err := at.ask(ctx, lines)
	switch {
	case err != nil || answer == wrongSecret:
		return none // it has ended without a word, and left the file
	case answer != "":
		return tandem.Errorf(tandem.Invalid, "%s", answer)
	}
	return nil
}

// ask sends lines and returns the answer.
func (r *reach) ask(ctx context.Context, lines []string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(reachWait)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, r.Secret+"\n"+strings.Join(lines, "\n")); err != nil {
		return "", err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(c, maxLines))
	return string(answer), err
}
