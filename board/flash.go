package board

import "bytes"

// Flash is a flash chip in memory: a device.Flash whose content is the slice.
type Flash []byte

// NewFlash returns an erased chip of so many bytes.
func NewFlash(size int) Flash { return bytes.Repeat([]byte{0xFF}, size) }

func (f Flash) Size() int { return len(f) }

func (f Flash) ReadAt(b []byte, addr int64) (int, error) { return copy(b, f[addr:]), nil }

func (f Flash) WriteAt(b []byte, addr int64) (int, error) { return copy(f[addr:], b), nil }
