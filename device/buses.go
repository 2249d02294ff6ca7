package device

import (
	"cmp"
	"slices"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Sizes of a UART's buffers, in bytes. What arrives when the receive buffer is full
// is lost.
const (
	uartFIFO     = 4 << 10  // until the code sets another size
	maxUARTFIFO  = 64 << 10 // that the code can set
	uartSendFIFO = 80       // of the transmit buffer, until the code sets another size
)

// uartMode is the mode of a configured UART at the Board.
const uartMode = "UART"

// maxTransfer bounds the bytes of one read from a bus.
const maxTransfer = 64 << 10

// I2C's error numbers: for a peripheral that does not acknowledge its address, and
// for a bus that is not configured.
const (
	noAnswerToWrite = -2
	noAnswerToRead  = -10
	notEnabled      = -13
)

// busState is the state of a bus as the code has configured it.
type busState struct {
	Ready    bool
	Received []byte // received by a UART and not read by the code yet
	Room     int    // of a UART: size of the receive buffer; 0 is uartFIFO
	SendRoom int    // of a UART: size of the transmit buffer; 0 is uartSendFIFO
	Happened int    // events of a UART since the last uart.flags
	Select   bool   // of an SPI bus: it drives its chip-select line
	Selected bool   // and the line is low
	Last     byte   // of an SPI bus: the last byte that came in
	Active   activePin
}

// activePin is the pin that shows that a UART transmits.
type activePin struct {
	Pin  int // index of the pin
	On   bool
	High bool // high while the UART transmits, else low
}

// room returns how many bytes a UART can receive now.
func (b *busState) room() int { return max(0, cmp.Or(b.Room, uartFIFO)-len(b.Received)) }

// happened takes what has happened at a UART.
func (b *busState) happened(ev *Changed) {
	if ev.Fault != "" {
		b.Happened |= faultFlags[ev.Fault]
		return
	}
	b.Happened |= uartReadReady
	n := min(len(ev.Data), b.room())
	if n < len(ev.Data) {
		b.Happened |= uartOverrun
	}
	b.Received = append(b.Received, ev.Data[:n]...)
}

// wrote takes what a UART has transmitted: n bytes.
func (b *busState) wrote(n int) {
	b.Happened |= uartWriteDone
	if n > cmp.Or(b.SendRoom, uartSendFIFO)/2 {
		b.Happened |= uartWriteHalfDone
	}
}

// take removes up to n bytes and returns them.
func (b *busState) take(n int) []byte {
	n = max(0, min(n, len(b.Received)))
	got := slices.Clone(b.Received[:n])
	b.Received = slices.Delete(b.Received, 0, n)
	return got
}

// bus is the bus that a method is called on.
type bus struct {
	*busState
	m     *Machine
	name  string
	index int
}

// busOf returns the bus that a method is called on; of any class when class
// is "".
func busOf(c *squirrel.Call, class string) (bus, bool) {
	m := of(c)
	for _, k := range []string{"i2c", "spi", "uart"} {
		if i, ok := m.thing(c, k); ok && (class == "" || class == k) {
			return bus{&m.st.Buses[i], m, m.things[i].name, i}, true
		}
	}
	return bus{}, false
}

// onBus returns a native that needs a bus of a class, configured.
func onBus(class string, f func(c *squirrel.Call, b bus) (squirrel.Value, error)) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) {
		b, ok := busOf(c, class)
		switch {
		case !ok:
			return notA(c, class)
		case !b.Ready:
			return c.Errorf("the bus is not configured: call %s.configure first", b.name)
		}
		return f(c, b)
	}
}

// transfer writes out and reads n bytes.
func (b bus) transfer(c *squirrel.Call, addr int, out []byte, n int) ([]byte, error) {
	if err := c.Charge(nativeCost + (len(out)+n)/8); err != nil {
		return nil, err
	}
	return b.m.board.Transfer(b.name, addr, out, n)
}

func busConfigure(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "")
	if !ok {
		return notA(c, "bus")
	}
	b.Ready = true
	return squirrel.Null, nil
}

func busDisable(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "")
	if !ok {
		return notA(c, "bus")
	}
	*b.busState = busState{Room: b.Room, SendRoom: b.SendRoom}
	b.m.core.SetHandler(pinHandler(b.index), squirrel.Null)
	return squirrel.Null, nil
}

// dataOf returns a copy of argument i, a string or a blob. It reports whether it is one,
// and can be paid for.
func dataOf(c *squirrel.Call, i int) ([]byte, bool) {
	if !imp.IsData(c.VM(), c.Arg(i)) || c.Charge(nativeCost+len(c.Bytes(i))/8) != nil {
		return nil, false
	}
	return slices.Clone(c.Bytes(i)), true
}

func notData(c *squirrel.Call) (squirrel.Value, error) {
	return c.Errorf("data to write must be a string or a blob")
}

// byteCount returns argument i, a number of bytes to read. It reports whether it is
// valid.
func byteCount(c *squirrel.Call, i int) (int, bool) {
	n := int(c.Int(i))
	return n, n >= 0 && n <= maxTransfer
}

func badCount(c *squirrel.Call) (squirrel.Value, error) {
	return c.Errorf("the number of bytes must be 0 to %d", maxTransfer)
}

func i2cRead(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "i2c")
	switch {
	case !ok:
		return notA(c, "i2c")
	case !b.Ready:
		b.m.st.I2CError = notEnabled
		return squirrel.Null, nil
	}
	n, ok := byteCount(c, 3)
	if !ok {
		return badCount(c)
	}
	register, ok := dataOf(c, 2)
	if !ok {
		return notData(c)
	}
	got, err := b.transfer(c, int(c.Int(1)), register, n)
	b.m.st.I2CError = 0
	if err != nil {
		b.m.st.I2CError = noAnswerToRead
		if len(register) > 0 { // the register is written before the read
			b.m.st.I2CError = noAnswerToWrite
		}
		return squirrel.Null, nil
	}
	return b.m.vm().NewStringBytes(got), nil
}

func i2cWrite(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "i2c")
	switch {
	case !ok:
		return notA(c, "i2c")
	case !b.Ready:
		return squirrel.Int(notEnabled), nil
	}
	out, ok := dataOf(c, 2)
	if !ok {
		return notData(c)
	}
	if _, err := b.transfer(c, int(c.Int(1)), out, 0); err != nil {
		return squirrel.Int(noAnswerToWrite), nil
	}
	return squirrel.Int(0), nil
}

func i2cReadError(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "i2c")
	if !ok {
		return notA(c, "i2c")
	}
	return squirrel.Int(int32(b.m.st.I2CError)), nil
}

func spiConfigure(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "spi")
	if !ok {
		return notA(c, "spi")
	}
	chosen := c.Int(1)&spiUseChipSelect != 0
	if chosen && !b.m.selects() {
		return c.Errorf("spi.configure: no bus of this module has a chip-select line, so USE_CS_L cannot be used")
	}
	b.Ready = true
	b.Select = chosen
	b.Selected = false
	if chosen {
		if err := b.driveSelect(b.name, b.m.board); err != nil {
			return c.Errorf("%s: %v", b.name, err)
		}
	}
	return c.Arg(2), nil
}

// driveSelect makes the chip-select line of the bus with a name an output, low while
// the bus is selected.
func (b *busState) driveSelect(name string, board Board) error {
	level := 1.0
	if b.Selected {
		level = 0
	}
	return board.Setup(name+chipSelect, modeNames[modeDigitalOut], level)
}

// chipSelect is the end of the name that a bus's chip-select line has at the Board.
const chipSelect = ".cs"

// selects reports whether the module's SPI buses have a chip-select line.
func (m *Machine) selects() bool { return slices.Contains(m.module.has, "chipselect") }

func spiChipSelect(c *squirrel.Call, b bus) (squirrel.Value, error) {
	if !b.Select {
		return c.Errorf("spi.chipselect: configure the bus with USE_CS_L first")
	}
	b.Selected = c.Int(1) != 0
	if err := b.driveSelect(b.name, b.m.board); err != nil {
		return c.Errorf("%s: %v", b.name, err)
	}
	return squirrel.Null, nil
}

// shift writes out to an SPI bus and returns the n bytes that come in meanwhile.
func (b bus) shift(c *squirrel.Call, out []byte, n int, result func([]byte) squirrel.Value) (squirrel.Value, error) {
	return exchange(c, b, out, n, func(got []byte) squirrel.Value {
		if len(got) > 0 {
			b.Last = got[len(got)-1]
		}
		return result(got)
	})
}

// exchange writes and reads on an SPI bus or a UART.
func exchange(c *squirrel.Call, b bus, out []byte, n int, result func([]byte) squirrel.Value) (squirrel.Value, error) {
	got, err := b.transfer(c, 0, out, n)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return result(got), nil
}

func spiWrite(c *squirrel.Call, b bus) (squirrel.Value, error) {
	out, ok := dataOf(c, 1)
	if !ok {
		return notData(c)
	}
	return b.shift(c, out, len(out), func([]byte) squirrel.Value { return squirrel.Int(0) })
}

// spiRead returns the last byte that came in, as a string: public code takes its element
// 0, though the vendor's page calls it an integer.
func spiRead(c *squirrel.Call, b bus) (squirrel.Value, error) {
	if c.Int(1) != 1 {
		return c.Errorf("spi.read reads one byte: call spi.readstring or spi.readblob for more")
	}
	return b.m.vm().NewStringBytes([]byte{b.Last}), nil
}

func spiWriteRead(c *squirrel.Call, b bus) (squirrel.Value, error) {
	out, ok := dataOf(c, 1)
	if !ok {
		return notData(c)
	}
	result := b.m.blob
	if c.Arg(1).IsString() {
		result = b.m.vm().NewStringBytes
	}
	return b.shift(c, out, len(out), result)
}

func spiReadString(c *squirrel.Call, b bus) (squirrel.Value, error) {
	n, ok := byteCount(c, 1)
	if !ok {
		return badCount(c)
	}
	return b.shift(c, nil, n, b.m.vm().NewStringBytes)
}

func spiReadBlob(c *squirrel.Call, b bus) (squirrel.Value, error) {
	n, ok := byteCount(c, 1)
	if !ok {
		return badCount(c)
	}
	return b.shift(c, nil, n, b.m.blob)
}
