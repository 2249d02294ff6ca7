package board

import "bytes"

// Flash is a flash chip in memory: a device.Flash whose content is the slice.
type Flash []byte

const sectorSize = 4096

// NewFlash returns an erased chip with so many sectors of 4096 bytes.
func NewFlash(sectors int) Flash { return bytes.Repeat([]byte{0xFF}, sectors*sectorSize) }

func (f Flash) Size() int { return len(f) }

func (f Flash) ReadAt(b []byte, addr int64) (int, error) { return copy(b, f[addr:]), nil }

func (f Flash) Program(addr int, data []byte) error {
	for i, b := range data {
		f[addr+i] &= b
	}
	return nil
}

func (f Flash) Erase(addr int) error {
	copy(f[addr:addr+sectorSize], NewFlash(1))
	return nil
}
