package enrol

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/identity"
	"github.com/tandem-iot/tandem/internal/dirlock"
	"github.com/tandem-iot/tandem/internal/durable"
)

// Load returns the identity in a device's directory, which is blank when the device has not
// enrolled. It may be called while the device runs.
func Load(dir string) (identity.Identity, error) {
	i, _, err := read(dir)
	return i, err
}

func read(dir string) (identity.Identity, []string, error) {
	var contents [2][]byte
	for n, name := range identity.Files {
		data, err := durable.Read(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return identity.Identity{}, nil, err
		}
		if contents[n] = data; err == nil && data == nil {
			contents[n] = []byte{}
		}
	}
	i, damaged, err := identity.Open(contents)
	if err != nil {
		err = &tandem.Error{Kind: tandem.Invalid, Msg: "the device's directory " + dir, Err: err}
	}
	return i, damaged, err
}

// store writes an identity. Whenever the power goes, the old or the new one is there.
func store(dir string, i identity.Identity) error {
	text, err := json.Marshal(i.Seal())
	if err != nil {
		return err
	}
	for _, name := range identity.Files {
		if err := durable.Write(filepath.Join(dir, name), append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Hold makes and locks a device's directory, for one process at a time.
func Hold(dir string) (*dirlock.Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := dirlock.Take(dir)
	if in := new(dirlock.InUse); errors.As(err, &in) {
		return nil, tandem.Errorf(tandem.Conflict,
			"the device's directory %s is in use by %s: stop that one, or give this device a directory of its own with --dir",
			in.Dir, in.By)
	}
	return lock, err
}
