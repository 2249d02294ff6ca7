package device

import (
	"slices"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// uartFIFO is the number of received bytes that are kept for the code; later ones
// are lost.
const uartFIFO = 4 << 10

// maxTransfer bounds the bytes of one read from a bus.
const maxTransfer = 64 << 10

// I2C's error numbers for a peripheral that does not acknowledge its address.
const (
	noAnswerToWrite = -2
	noAnswerToRead  = -10
)

// busState is the state of a bus as the code has configured it.
type busState struct {
	Ready    bool
	Received []byte // received by a UART and not read by the code yet
}

func (b *busState) receive(data []byte) {
	n := min(len(data), uartFIFO-len(b.Received))
	b.Received = append(b.Received, data[:n]...)
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
	*b.busState = busState{}
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

// count returns argument i, a number of bytes to read. It reports whether it is valid.
func count(c *squirrel.Call, i int) (int, bool) {
	n := int(c.Int(i))
	return n, n >= 0 && n <= maxTransfer
}

func badCount(c *squirrel.Call) (squirrel.Value, error) {
	return c.Errorf("the number of bytes must be 0 to %d", maxTransfer)
}

func i2cRead(c *squirrel.Call, b bus) (squirrel.Value, error) {
	n, ok := count(c, 3)
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

func i2cWrite(c *squirrel.Call, b bus) (squirrel.Value, error) {
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
	if _, err := busConfigure(c); err != nil {
		return squirrel.Null, err
	}
	return c.Arg(2), nil
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
	return exchange(c, b, out, 0, func([]byte) squirrel.Value { return squirrel.Int(0) })
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
	return exchange(c, b, out, len(out), result)
}

func spiReadString(c *squirrel.Call, b bus) (squirrel.Value, error) {
	n, ok := count(c, 1)
	if !ok {
		return badCount(c)
	}
	return exchange(c, b, nil, n, b.m.vm().NewStringBytes)
}

func spiReadBlob(c *squirrel.Call, b bus) (squirrel.Value, error) {
	n, ok := count(c, 1)
	if !ok {
		return badCount(c)
	}
	return exchange(c, b, nil, n, b.m.blob)
}

func uartConfigure(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "uart")
	if !ok {
		return notA(c, "uart")
	}
	*b.busState = busState{Ready: true}
	b.m.core.SetHandler(pinHandler(b.index), b.m.core.Callback(c, 6))
	return c.Arg(1), nil
}

func uartWrite(c *squirrel.Call, b bus) (squirrel.Value, error) {
	out, ok := dataOf(c, 1)
	if c.Arg(1).IsInt() {
		out, ok = []byte{byte(c.Int(1))}, true
	}
	if !ok {
		return notData(c)
	}
	return exchange(c, b, out, 0, func([]byte) squirrel.Value { return squirrel.Null })
}

func uartRead(_ *squirrel.Call, b bus) (squirrel.Value, error) {
	if got := b.take(1); len(got) == 1 {
		return squirrel.Int(int32(got[0])), nil
	}
	return squirrel.Int(-1), nil
}

// wanted returns the number of bytes that the code reads from a UART.
func wanted(c *squirrel.Call) int {
	if c.Arg(1).IsNull() {
		return uartFIFO
	}
	return int(c.Int(1))
}

func uartReadString(c *squirrel.Call, b bus) (squirrel.Value, error) {
	got := b.take(wanted(c))
	if err := c.Charge(len(got) / 8); err != nil {
		return squirrel.Null, err
	}
	return b.m.vm().NewStringBytes(got), nil
}

func uartReadBlob(c *squirrel.Call, b bus) (squirrel.Value, error) {
	got := b.take(wanted(c))
	if err := c.Charge(len(got) / 8); err != nil {
		return squirrel.Null, err
	}
	return b.m.blob(got), nil
}
