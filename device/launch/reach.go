package launch

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// boardFile is the file in a device's directory by which commands on the same machine reach its board.
// Only its owner can read it.
const boardFile = "board.json"

// reach is what the file says.
type reach struct {
	Device tandem.DeviceID `json:"device"`
	URL    string          `json:"url"`
	Secret string          `json:"secret"`
}

// maxLines bounds what one request has happen at a board.
const maxLines = 64 << 10

// Serve takes lines for the board from commands on this machine, until ctx ends. dir is the device's
// directory.
func (w *Wiring) Serve(ctx context.Context, dir string, id tandem.DeviceID) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := reach{id, "http://" + l.Addr().String(), rand.Text()}
	if err := at.write(dir); err != nil {
		l.Close()
		return err
	}
	defer os.Remove(filepath.Join(dir, boardFile)) // ignore the error: a stale file is noticed
	srv := &http.Server{
		ReadTimeout: time.Minute,
		Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(at.Secret)) != 1 {
				http.Error(out, "the secret is in "+boardFile, http.StatusUnauthorized)
				return
			}
			lines, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxLines))
			if err == nil {
				err = w.setAll(string(lines))
			}
			if err != nil {
				http.Error(out, err.Error(), http.StatusBadRequest)
			}
		}),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
	req, err := http.NewRequestWithContext(ctx, "POST", at.URL, bytes.NewReader([]byte(strings.Join(lines, "\n"))))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", at.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return none // it has ended without a word, and left the file
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLines))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusBadRequest:
		return tandem.Errorf(tandem.Invalid, "%s", strings.TrimSpace(string(text)))
	case resp.StatusCode != http.StatusOK:
		return none
	}
	return nil
}
