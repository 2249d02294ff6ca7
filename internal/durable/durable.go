// Package durable replaces files so that a loss of power leaves the old one or the new one.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Suffix is added to a file's name while it is written. A loss of power may leave such a file.
const Suffix = ".tmp"

// errNotFile is what is in the place of a file and is none.
var errNotFile = errors.New("it is no file")

// Open opens a file with flags of os.OpenFile, if a file is there or nothing. Of a pipe it would wait for the other
// end, and of a device read without an end.
func Open(path string, flag int) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotFile}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return os.OpenFile(path, flag, 0o600)
}

// Read returns the content of a file, if it is one.
func Read(path string) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return io.ReadAll(f)
}

// Replace puts a file that fill has filled, for its owner alone, in the place of another. When it
// returns nil the new one is there to stay.
func Replace(path string, fill func(*os.File) error) error {
	tmp := path + Suffix
	f, err := Open(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
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

// SyncDir makes the names in a directory durable, on systems that can be asked to.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
