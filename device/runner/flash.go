package runner

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/tandem-iot/tandem/device"
)

// flashSize is a chip of 4 MB without the part that an imp's own software takes. Imps have
// chips of any size. Public programs take the first 2 MB, as the vendor's file system shows
// it in its manual, and throw at their start where the flash is smaller.
const flashSize = 4<<20 - 448<<10

// flash is a device's flash in a file, whose bytes are inverted: a file that does
// not reach so far, or has a hole, reads as erased. What is written is there when
// the process is killed; it is not flushed to the disk each time.
type flash struct{ file *os.File }

func openFlash(name string) (*flash, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &flash{f}, nil
}

func (*flash) Size() int { return flashSize }

func (f *flash) ReadAt(b []byte, addr int64) (int, error) {
	n, err := f.file.ReadAt(b, addr)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	clear(b[n:])
	invert(b)
	return len(b), nil
}

func (f *flash) WriteAt(b []byte, addr int64) (int, error) {
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
