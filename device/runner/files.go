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
	userFile     = "user.bin"
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

// files is what outlives the process.
type files struct {
	dir string
	counters
	code *code  // nil: none yet
	user []byte // nil: none
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
	user, err := os.ReadFile(filepath.Join(dir, userFile))
	switch {
	case err == nil:
		f.user = append([]byte{}, user...)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return f, nil
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

// setUser keeps the user configuration; nil erases it.
func (f *files) setUser(data []byte) error {
	f.user = data
	if data == nil {
		if err := os.Remove(filepath.Join(f.dir, userFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return f.syncDir()
	}
	return f.write(userFile, data)
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
	tmp, err := os.CreateTemp(f.dir, name+".*")
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
	return f.syncDir()
}

func (f *files) syncDir() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
