package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/spool"
	"github.com/tandem-iot/tandem/internal/dirlock"
	"github.com/tandem-iot/tandem/internal/durable"
)

// disk is the directory with what outlives the process, which is locked meanwhile. Files
// have relative names, with slashes. flash is ours; all others are the core's.
type disk struct {
	dir  string
	lock *dirlock.Lock
	said []string // what is wrong with it, for the owner of the code
}

const (
	flashFile = "flash"
	postsDir  = "posts" // the one subdirectory
)

// largestFile bounds what is read of a file, in bytes. What is larger is not ours.
const largestFile = 32 << 20

// openDisk opens a directory. What is wrong in it does not keep the device from starting.
func openDisk(dir string) (*disk, error) {
	if dir == "" {
		return nil, tandem.Errorf(tandem.Invalid, "the device needs a directory to keep its code and counters in")
	}
	lock, err := enrol.Hold(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: filepath.Clean(dir), lock: lock}
	if info, err := os.Stat(d.path(postsDir)); err == nil && !info.IsDir() {
		d.note("posts in the device's directory is no directory", d.setAside(postsDir))
	}
	if err := d.makePosts(); err != nil {
		d.note("the device's directory cannot be written", err)
	}
	return d, nil
}

// note keeps a line for the owner of the code. err may be nil.
func (d *disk) note(text string, err error) {
	if err != nil {
		text += ": " + err.Error()
	}
	d.said = append(d.said, text)
}

// makePosts makes the subdirectory, if it is not there.
func (d *disk) makePosts() error {
	if err := os.Mkdir(d.path(postsDir), 0o700); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (d *disk) close() error { return d.lock.Release() }

func (d *disk) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// read returns what is in the directory. What a power cut has left half written was never
// there: it is removed.
func (d *disk) read() (c core.Contents) {
	d.readDir("", &c)
	d.readDir(postsDir, &c)
	c.Said, d.said = d.said, nil
	return c
}

func (d *disk) readDir(sub string, c *core.Contents) {
	entries, err := os.ReadDir(d.path(sub))
	if err != nil {
		d.note("a part of the device's directory cannot be read", err)
	}
	for _, e := range entries {
		name := filepath.ToSlash(filepath.Join(sub, e.Name()))
		_, isSegment := core.SegmentNumber(name)
		switch {
		case strings.HasSuffix(name, durable.Suffix):
			if err := os.RemoveAll(d.path(name)); err != nil {
				d.note("what a loss of power has left cannot be removed", err)
			}
		case isSegment:
			c.Journal = append(c.Journal, d.scan(name))
		case core.Kept(name):
			data, err := d.readWhole(name)
			c.Files = append(c.Files, core.File{Name: name, Data: data, Err: err})
		}
	}
}

func (d *disk) readWhole(name string) ([]byte, error) {
	info, err := os.Stat(d.path(name))
	if err == nil && info.Size() > largestFile {
		err = fmt.Errorf("%s has %d MB, which is too much", name, info.Size()>>20)
	}
	if err != nil {
		return nil, err
	}
	return durable.Read(d.path(name))
}

// unreadable is a file that cannot be read.
type unreadable struct{ err error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }

// scan reads a segment of the log.
func (d *disk) scan(name string) *core.Segment {
	f, err := durable.Open(d.path(name), os.O_RDONLY)
	if err != nil {
		return core.ScanSegment(name, 0, unreadable{err})
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return core.ScanSegment(name, 0, unreadable{err})
	}
	return core.ScanSegment(name, info.Size(), f)
}

// operate does what an effect asks of the disk, and returns the answer.
func (d *disk) operate(e core.Effect) core.Event {
	switch e := e.(type) {
	case *core.WriteFile:
		return &core.FileDone{Number: e.Number, Err: d.write(e.Name, e.Data)}
	case *core.WriteAt:
		return &core.FileDone{Number: e.Number, Err: d.writeAt(e)}
	case *core.Reserve:
		return &core.FileDone{Number: e.Number, Err: d.reserve(e.Name, e.Size)}
	case *core.RemoveFile:
		return &core.FileDone{Number: e.Number, Err: d.remove(e.Name)}
	case *core.SetAside:
		return &core.FileDone{Number: e.Number, Err: d.setAside(e.Name)}
	case *core.ReadFile:
		data, err := d.readAt(e)
		return &core.FileRead{Number: e.Number, Data: data, Err: err}
	}
	return nil
}

// write replaces a file.
func (d *disk) write(name string, data []byte) error {
	return d.again(func() error { return durable.Write(d.path(name), data) })
}

// again makes a file, and makes it again with the subdirectory when that was removed meanwhile.
func (d *disk) again(file func() error) error {
	err := file()
	if errors.Is(err, fs.ErrNotExist) && d.makePosts() == nil {
		err = file()
	}
	return err
}

// reserve makes a file of zeros that need no more room when they are overwritten.
func (d *disk) reserve(name string, size int64) error {
	if err := leavesShare(d.dir, size); err != nil {
		return err
	}
	return d.again(func() error {
		return durable.Replace(d.path(name), func(f *os.File) error { return allocate(f, size) })
	})
}

// writeZeros makes a file by writing it.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, min(size, 64<<10))
	for n := int64(0); n < size; n += int64(len(zeros)) {
		if _, err := f.Write(zeros[:min(int64(len(zeros)), size-n)]); err != nil {
			return err
		}
	}
	return nil
}

// writeAt writes in place.
func (d *disk) writeAt(e *core.WriteAt) error {
	f, err := durable.Open(d.path(e.Name), os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(e.Data, e.Offset)
	if err == nil && e.Flush {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (d *disk) readAt(e *core.ReadFile) ([]byte, error) {
	f, err := durable.Open(d.path(e.Name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	data := make([]byte, e.Size)
	if n := spool.Read(f, data, e.Offset); n > 0 {
		err = fmt.Errorf("%s cannot be read in %d places", e.Name, n)
	}
	return data, errors.Join(err, f.Close())
}

// remove removes a file. A power cut may bring it back.
func (d *disk) remove(name string) error {
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// setAside keeps what cannot be used under another name.
func (d *disk) setAside(name string) error {
	path := d.path(name)
	if err := os.RemoveAll(path + core.Aside); err != nil {
		return err
	}
	if err := os.Rename(path, path+core.Aside); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
