package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tandem-iot/tandem"
)

// Names in Dir.
const (
	countersFile = "counters.json"
	codeFile     = "code.json"
	stateFile    = "state.json"
	postsDir     = "posts"
	flashFile    = "flash"
)

// code is device code, as sys/code has it and as it is kept.
type code struct {
	SHA  string            `json:"sha"` // SHA-256 of Text in hexadecimal
	Text string            `json:"code"`
	Env  map[string]string `json:"env,omitempty"`
}

func shaOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// counters never go back.
type counters struct {
	Boot        uint64 `json:"boot"`
	Incarnation uint64 `json:"incarnation"`
}

// durable is what the code and the agent's posts have left. One file has it all,
// so that what becomes durable together does.
type durable struct {
	User    []byte `json:"user"`    // the user configuration; nil: none
	Applied uint64 `json:"applied"` // number of the newest of the agent's posts that have been handled
	Cause   uint64 `json:"cause"`   // number of the newest of them during which the code has posted,
	Nth     uint32 `json:"nth"`     // and how often
}

// files is what outlives the process.
type files struct {
	dir string
	counters
	state durable
	code  *code // nil: none yet
}

func openFiles(dir string) (*files, error) {
	if dir == "" {
		return nil, tandem.Errorf(tandem.Invalid, "the device needs a directory to keep its code and counters in")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &files{dir: dir}
	if err := f.readJSON(countersFile, &f.counters); err != nil {
		return nil, err
	}
	if err := f.readJSON(codeFile, &f.code); err != nil {
		return nil, err
	}
	if err := f.readJSON(stateFile, &f.state); err != nil {
		return nil, err
	}
	return f, os.MkdirAll(filepath.Join(dir, postsDir), 0o700)
}

func (f *files) readJSON(name string, into any) error {
	path := filepath.Join(f.dir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s is damaged; restore it from a backup, or give the device a new directory and a new id: %w", path, err)
	}
	return nil
}

// nextBoot counts a boot, durably.
func (f *files) nextBoot() error {
	f.Boot++
	return f.writeJSON(countersFile, f.counters)
}

// nextIncarnation counts a start of the code, durably.
func (f *files) nextIncarnation() error {
	f.Incarnation++
	return f.writeJSON(countersFile, f.counters)
}

func (f *files) setCode(c *code) error {
	f.code = c
	return f.writeJSON(codeFile, c)
}

// setUser keeps the user configuration; nil erases it. Of an agent's post that
// is being handled nothing more is to be done should the power go now.
func (f *files) setUser(data []byte, handling uint64) error {
	f.state.User, f.state.Applied = data, max(f.state.Applied, handling)
	return f.writeJSON(stateFile, f.state)
}

// setApplied keeps that the agent's posts have been handled up to a number.
func (f *files) setApplied(seq uint64) error {
	if seq <= f.state.Applied {
		return nil
	}
	f.state.Applied = seq
	return f.writeJSON(stateFile, f.state)
}

func (f *files) writeJSON(name string, x any) error {
	data, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return f.write(name, data)
}

// write replaces a file so that, whenever the power goes, the old or the new
// content is there.
func (f *files) write(name string, data []byte) error {
	dir := filepath.Dir(filepath.Join(f.dir, name))
	tmp, err := os.CreateTemp(dir, filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(f.dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
