package device

import (
	"bytes"
	"io"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Flash is the board's memory that survives restarts and power cuts. It stores any
// data: the machine makes sure that a write only clears bits, and that only
// erasing a sector sets them again.
type Flash interface {
	Size() int // bytes; whole sectors
	io.ReaderAt
	io.WriterAt
}

// sectorSize is the size of the unit that is erased, in bytes.
const sectorSize = 4096

// noFlash is the flash of a device without one.
type noFlash struct{}

func (noFlash) Size() int                          { return 0 }
func (noFlash) ReadAt([]byte, int64) (int, error)  { return 0, nil }
func (noFlash) WriteAt([]byte, int64) (int, error) { return 0, nil }

// Flags of spiflash.write, and its results when such a check fails.
const (
	preVerify  = 1 // check before writing that no bit would have to be set
	postVerify = 2 // check after writing that the data is there
)

// flashID is the JEDEC id of the chip: a W25Q32, of 4 MB.
const flashID = 0xEF4016

var flashAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "hardware.spiflash.enable", On: imp.OnDevice,
			Doc:    "Enables the flash. Without this, every other call throws.",
			Source: docs + "2570", Fn: flashSwitch(true),
			Example: `hardware.spiflash.enable();`,
		},
		{
			Name: "hardware.spiflash.disable", On: imp.OnDevice,
			Doc:    "Switches the flash off, which saves power on real devices. Its content stays.",
			Source: docs + "2570", Fn: flashSwitch(false),
			Example: `hardware.spiflash.disable();`,
		},
		{
			Name: "hardware.spiflash.size", On: imp.OnDevice, Result: "integer",
			Throws: []string{"the flash is not enabled"},
			Doc:    "The size of the part of the flash for the program, in bytes.",
			Source: docs + "2570", Fn: onFlash(func(c *squirrel.Call, f Flash) (squirrel.Value, error) {
				return squirrel.Int(int32(f.Size())), nil
			}),
			Example: `hardware.spiflash.enable();
server.log(hardware.spiflash.size() / 4096 + " sectors");`,
		},
		{
			Name: "hardware.spiflash.chipid", On: imp.OnDevice, Result: "integer",
			Throws: []string{"the flash is not enabled"},
			Doc:    "The JEDEC id of the chip.",
			Source: docs + "2570",
			Fn:     onFlash(func(*squirrel.Call, Flash) (squirrel.Value, error) { return squirrel.Int(flashID), nil }),
			Example: `hardware.spiflash.enable();
server.log(format("%06X", hardware.spiflash.chipid()));   // → EF4016`,
		},
		{
			Name: "hardware.spiflash.setspeed", On: imp.OnDevice, Result: "integer",
			Params: []imp.Param{{Name: "hertz", Type: "integer", Doc: "of the chip's clock"}},
			Throws: []string{"the flash is not enabled"},
			Doc:    "Does nothing and returns the speed: a simulated chip has no clock.",
			Source: docs + "2570", Fn: onFlash(func(c *squirrel.Call, _ Flash) (squirrel.Value, error) { return c.Arg(1), nil }),
			Example: `hardware.spiflash.enable();
hardware.spiflash.setspeed(15000000);`,
		},
		{
			Name: "hardware.spiflash.read", On: imp.OnDevice, Result: "blob",
			Params: []imp.Param{
				{Name: "address", Type: "integer", Doc: "of the first byte"},
				{Name: "count", Type: "integer", Doc: "bytes to read"},
			},
			Throws: []string{"the flash is not enabled", "the flash has no such address"},
			Doc:    "Reads bytes. Erased bytes are 0xFF.",
			Source: docs + "2570", Fn: onFlash(flashRead),
			Example: `hardware.spiflash.enable();
server.log(hardware.spiflash.read(0, 4));`,
		},
		{
			Name: "hardware.spiflash.write", On: imp.OnDevice, Result: "integer",
			Params: []imp.Param{
				{Name: "address", Type: "integer", Doc: "of the first byte"},
				{Name: "data", Type: "data", Doc: "the bytes to write"},
				{
					Name: "verify", Type: "integer", Optional: true,
					Doc: "SPIFLASH_PREVERIFY, SPIFLASH_POSTVERIFY, or both; 0, neither, when left out",
				},
				{Name: "start", Type: "integer", Optional: true, Doc: "index in the data to begin at; 0 when left out"},
				{Name: "end", Type: "integer", Optional: true, Doc: "index in the data to end before; its length when left out"},
			},
			Throws: []string{"the flash is not enabled", "the flash has no such address", "the data has no such part"},
			Doc: "Writes bytes. Writing can only turn bits from 1 to 0, so erase the sector first. Returns 0, " +
				"or the flag of the check that has failed. When SPIFLASH_PREVERIFY fails nothing is written.",
			Source: docs + "2570", Fn: onFlash(flashWrite),
			Example: `local flash = hardware.spiflash;
flash.enable();
flash.erasesector(0);
if (flash.write(0, "21.5", SPIFLASH_POSTVERIFY) == 0) server.log(flash.read(0, 4));   // → 21.5
flash.disable();`,
		},
		{
			Name: "hardware.spiflash.erasesector", On: imp.OnDevice,
			Params: []imp.Param{{Name: "address", Type: "integer", Doc: "of any byte of the sector"}},
			Throws: []string{"the flash is not enabled", "the flash has no such address"},
			Doc:    "Erases a sector, which has 4096 bytes: all its bits become 1.",
			Source: docs + "2570", Fn: onFlash(flashErase),
			Example: `hardware.spiflash.enable();
hardware.spiflash.erasesector(4096);   // the second`,
		},
	},
	Constants: []imp.Constant{
		{
			Name: "SPIFLASH_PREVERIFY", On: imp.OnDevice, Value: preVerify,
			Doc: "Do not write if bits would have to become 1.", Source: docs + "2570",
		},
		{
			Name: "SPIFLASH_POSTVERIFY", On: imp.OnDevice, Value: postVerify,
			Doc: "Check after writing that the data is there.", Source: docs + "2570",
		},
	},
}

func flashSwitch(on bool) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) {
		of(c).st.Flash = on
		return squirrel.Null, nil
	}
}

// onFlash returns a native that needs the flash enabled.
func onFlash(f func(*squirrel.Call, Flash) (squirrel.Value, error)) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) {
		if m := of(c); m.st.Flash {
			return f(c, m.cfg.Flash)
		}
		return c.Errorf("the flash is not enabled: call hardware.spiflash.enable first")
	}
}

// flashed reports whether the flash has count bytes at addr.
func flashed(f Flash, addr, count int32) bool {
	return addr >= 0 && count >= 0 && int64(addr)+int64(count) <= int64(f.Size())
}

func noSuchAddress(c *squirrel.Call, f Flash, addr, count int32) (squirrel.Value, error) {
	return c.Errorf("the flash has no %d bytes at %d: it has %d", count, addr, f.Size())
}

func flashRead(c *squirrel.Call, f Flash) (squirrel.Value, error) {
	addr, count := c.Int(1), c.Int(2)
	if !flashed(f, addr, count) {
		return noSuchAddress(c, f, addr, count)
	}
	if int(count) > c.VM().MemoryLimit() {
		return c.Errorf("%d bytes are more than the memory has", count)
	}
	if err := c.Charge(nativeCost + int(count)/8); err != nil {
		return squirrel.Null, err
	}
	data := make([]byte, count)
	if _, err := f.ReadAt(data, int64(addr)); err != nil {
		return c.Errorf("the flash cannot be read: %v", err)
	}
	return c.VM().NewBlob(data), nil
}

func flashWrite(c *squirrel.Call, f Flash) (squirrel.Value, error) {
	data, ok := dataOf(c, 2)
	if !ok {
		return notData(c)
	}
	addr := c.Int(1)
	verify := int32(0)
	from := int32(0)
	to := int32(len(data))
	if c.NArgs() >= 3 {
		verify = c.Int(3)
	}
	if c.NArgs() >= 4 {
		from = c.Int(4)
	}
	if c.NArgs() >= 5 {
		to = c.Int(5)
	}
	if from < 0 || from > to || int(to) > len(data) {
		return c.Errorf("the data has no part from %d to %d: its length is %d", from, to, len(data))
	}
	data = data[from:to]
	if !flashed(f, addr, to-from) {
		return noSuchAddress(c, f, addr, to-from)
	}
	if err := c.Charge(len(data) / 8); err != nil {
		return squirrel.Null, err
	}
	there := make([]byte, len(data))
	if _, err := f.ReadAt(there, int64(addr)); err != nil {
		return c.Errorf("the flash cannot be read: %v", err)
	}
	for i := range there {
		there[i] &= data[i]
	}
	right := bytes.Equal(there, data) // there now has the bytes that the flash will have
	if !right && verify&preVerify != 0 {
		return squirrel.Int(preVerify), nil
	}
	if _, err := f.WriteAt(there, int64(addr)); err != nil {
		return c.Errorf("the flash cannot be written: %v", err)
	}
	if !right && verify&postVerify != 0 {
		return squirrel.Int(postVerify), nil
	}
	return squirrel.Int(0), nil
}

func flashErase(c *squirrel.Call, f Flash) (squirrel.Value, error) {
	addr := c.Int(1)
	if !flashed(f, addr, 1) {
		return noSuchAddress(c, f, addr, 1)
	}
	if err := c.Charge(sectorSize / 8); err != nil {
		return squirrel.Null, err
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xFF}, sectorSize), int64(addr)&^(sectorSize-1)); err != nil {
		return c.Errorf("the flash cannot be erased: %v", err)
	}
	return squirrel.Null, nil
}
