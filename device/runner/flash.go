package runner

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/internal/durable"
)

// flashSize is a chip of 4 MB without the part that an imp's own software takes. Imps have
// chips of any size. Public programs take the first 2 MB, as the vendor's file system shows
// it in its manual, and throw at their start where the flash is smaller.
const flashSize = 4<<20 - 448<<10

// flash is a device's flash in a file, whose bytes are inverted: a file that does
// not reach so far, or has a hole, reads as erased. What is written is there when
// the process is killed; it is not flushed to the disk each time.
type flash struct{ file *os.File }

// openFlash opens the device's flash. One that cannot be used is set aside, and where no other
// can be made the flash is erased and cannot be written.
func (d *disk) openFlash() *flash {
	open := func() (*os.File, error) { return durable.Open(d.path(flashFile), os.O_RDWR|os.O_CREATE) }
	file, err := open()
	if err == nil {
		return &flash{file}
	}
	if readable, readErr := durable.Open(d.path(flashFile), os.O_RDONLY); readErr == nil {
		d.note("the device's flash cannot be written", err)
		return &flash{readable}
	}
	d.note("the device's flash is set aside", err)
	if err = d.setAside(flashFile); err == nil {
		file, err = open()
	}
	if err != nil {
		d.note("the device has no flash", err)
		return &flash{}
	}
	return &flash{file}
}

func (f *flash) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

func (*flash) Size() int { return flashSize }

func (f *flash) ReadAt(b []byte, addr int64) (int, error) {
	n := 0
	if f.file != nil {
		var err error
		if n, err = f.file.ReadAt(b, addr); err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	clear(b[n:])
	invert(b)
	return len(b), nil
}

func (f *flash) WriteAt(b []byte, addr int64) (int, error) {
	if f.file == nil {
		return 0, os.ErrClosed
	}
	inverse := bytes.Clone(b)
	invert(inverse)
	return f.file.WriteAt(inverse, addr)
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

var _ device.Flash = (*flash)(nil)
