// Package durable replaces files so that a loss of power leaves the old one or the new one.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Suffix is added to a file's name while it is written. A loss of power may leave such a file.
const Suffix = ".tmp"

// Replace puts a file that fill has filled, for its owner alone, in the place of another. When it
// returns nil the new one is there to stay.
func Replace(path string, fill func(*os.File) error) error {
	tmp := path + Suffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return SyncDir(filepath.Dir(path))
}

// Write is Replace for a file that has data.
func Write(path string, data []byte) error {
	return Replace(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
