package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/internal/dirlock"
)

// disk is the directory with what outlives the process, which is locked meanwhile. Files
// have relative names, with slashes. flash is ours; all others are the core's.
type disk struct {
	dir   string
	lock  *dirlock.Lock
	top   *os.File // dir, open to be flushed
	posts *os.File // its subdirectory
}

const (
	flashFile = "flash"
	postsDir  = "posts" // the one subdirectory
	tmpSuffix = ".tmp"  // of a file that is being written
	fileMode  = 0o600
)

func openDisk(dir string) (*disk, error) {
	if dir == "" {
		return nil, tandem.Errorf(tandem.Invalid, "the device needs a directory to keep its code and counters in")
	}
	if err := os.MkdirAll(filepath.Join(dir, postsDir), 0o700); err != nil {
		return nil, err
	}
	lock, err := dirlock.Take(dir)
	if in := new(dirlock.InUse); errors.As(err, &in) {
		return nil, tandem.Errorf(tandem.Conflict,
			"the device's directory %s is in use by %s: stop that one, or give this device a directory of its own with --dir",
			in.Dir, in.By)
	}
	if err != nil {
		return nil, err
	}
	top, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	posts, err := os.Open(filepath.Join(dir, postsDir))
	if err != nil {
		return nil, errors.Join(err, top.Close(), lock.Release())
	}
	return &disk{filepath.Clean(dir), lock, top, posts}, nil
}

func (d *disk) close() error { return errors.Join(d.top.Close(), d.posts.Close(), d.lock.Release()) }

// read returns the files. What a power cut has left half written was never
// there: it is removed.
func (d *disk) read() ([]core.File, error) {
	top, err := d.readDir("")
	if err != nil {
		return nil, err
	}
	posts, err := d.readDir(postsDir)
	return append(top, posts...), err
}

func (d *disk) readDir(sub string) (files []core.File, err error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, sub))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(d.dir, sub, e.Name())
		complete := strings.HasSuffix(e.Name(), ".json")
		switch {
		case complete:
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			files = append(files, core.File{Name: filepath.ToSlash(filepath.Join(sub, e.Name())), Data: data})
		case sub == postsDir || strings.HasSuffix(e.Name(), tmpSuffix):
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// write replaces a file so that, whenever the power goes, the old or the new
// content is there.
func (d *disk) write(name string, data []byte) error {
	path := filepath.Join(d.dir, filepath.FromSlash(name))
	tmp := path + tmpSuffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if filepath.Dir(path) == d.dir {
		return d.top.Sync()
	}
	return d.posts.Sync()
}

// remove removes a file. A power cut may bring it back.
func (d *disk) remove(name string) error {
	err := os.Remove(filepath.Join(d.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
