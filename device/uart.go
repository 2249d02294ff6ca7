package device

import (
	"slices"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

func uartConfigure(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "uart")
	if !ok {
		return notA(c, "uart")
	}
	*b.busState = busState{Ready: true, Room: b.Room, SendRoom: b.SendRoom, Active: b.Active}
	if err := b.m.board.Setup(b.name, uartMode, 0); err != nil {
		return c.Errorf("%s: %v", b.name, err)
	}
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
	if err := b.showActive(true); err != nil {
		return c.Errorf("%v", err)
	}
	answer, err := b.transfer(c, 0, out, b.room())
	if err != nil {
		return c.Errorf("%v", err)
	}
	b.wrote(len(out))
	if len(answer) > 0 {
		b.happened(&Changed{Data: answer})
		b.m.receivedLater(b.index)
	}
	if err := b.showActive(false); err != nil {
		return c.Errorf("%v", err)
	}
	return squirrel.Null, nil
}

// receivedLater calls the callback of a UART when the code that sleeps now has ended. The
// bytes are there for it at once, as on an imp: a driver sends, sleeps, and reads.
func (m *Machine) receivedLater(i int) {
	c := callback{Handler: pinHandler(i), Bus: m.things[i].name}
	if !slices.Contains(m.st.Later, c) {
		m.st.Later = append(m.st.Later, c)
	}
}

// received calls the callback of a UART for what came in while the code slept, unless
// the code has read it.
func (m *Machine) received(c callback) imp.Outcome {
	i := slices.IndexFunc(m.things, func(p peripheral) bool { return p.name == c.Bus })
	if i < 0 {
		return imp.Done
	}
	b := &m.st.Buses[i]
	if len(b.Received) == 0 && b.Happened&uartFaults == 0 {
		return imp.Done
	}
	return m.core.CallHandler(c.Handler)
}

// showActive drives the pin of uart.settxactive, if there is one.
func (b *bus) showActive(transmits bool) error {
	a := b.Active
	if !a.On || a.Pin >= len(b.m.things) {
		return nil
	}
	level := 0.0
	if a.High == transmits {
		level = 1
	}
	b.m.st.Pins[a.Pin].Level = level
	return b.m.board.Write(b.m.things[a.Pin].name, level)
}

func uartSetTxActive(c *squirrel.Call) (squirrel.Value, error) {
	b, ok := busOf(c, "uart")
	if !ok {
		return notA(c, "uart")
	}
	if c.Arg(1).IsNull() {
		b.Active = activePin{}
		return squirrel.Null, nil
	}
	i, isPin := b.m.pinOf(c.Arg(1))
	if !isPin {
		return c.Errorf("uart.settxactive: parameter 1 must be a pin, as in settxactive(hardware.pin9, 1)")
	}
	a := activePin{Pin: i, On: true, High: c.Int(2) != 0}
	p := pinState{Mode: modeDigitalOut}
	if !a.High {
		p.Level = 1
	}
	if err := b.m.board.Setup(b.m.things[i].name, modeNames[p.Mode], p.Level); err != nil {
		return c.Errorf("%s: %v", b.m.things[i].name, err)
	}
	b.Active = a
	b.m.st.Pins[i] = p
	b.m.core.SetHandler(pinHandler(i), squirrel.Null)
	return squirrel.Null, nil
}

// uartFlags returns the events since the last call.
func uartFlags(_ *squirrel.Call, b bus) (squirrel.Value, error) {
	happened := b.Happened
	b.Happened = 0
	return imp.Int32(happened), nil
}

// setRoom returns a native that sets the size of one of a UART's buffers.
func setRoom(room func(*busState) *int) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) {
		b, ok := busOf(c, "uart")
		if !ok {
			return notA(c, "uart")
		}
		n := int(c.Int(1))
		if n < 1 || n > maxUARTFIFO {
			return c.Errorf("the size of a UART's buffer must be 1 to %d bytes", maxUARTFIFO)
		}
		*room(b.busState) = n
		return squirrel.Null, nil
	}
}

func uartRead(c *squirrel.Call, b bus) (squirrel.Value, error) {
	got := b.take(1)
	if b.m.polls(got) {
		return b.m.wait(c, pollByte)
	}
	if len(got) == 0 {
		return squirrel.Int(-1), nil
	}
	return squirrel.Int(int32(got[0])), nil
}

// wanted returns the number of bytes that the code reads from a UART.
func wanted(c *squirrel.Call) int {
	if c.Arg(1).IsNull() {
		return maxUARTFIFO
	}
	return int(c.Int(1))
}

func uartReadString(c *squirrel.Call, b bus) (squirrel.Value, error) {
	got := b.take(wanted(c))
	if err := c.Charge(len(got) / 8); err != nil {
		return squirrel.Null, err
	}
	if b.m.polls(got) {
		return b.m.wait(c, pollString)
	}
	return b.m.vm().NewStringBytes(got), nil
}

func uartReadBlob(c *squirrel.Call, b bus) (squirrel.Value, error) {
	got := b.take(wanted(c))
	if err := c.Charge(len(got) / 8); err != nil {
		return squirrel.Null, err
	}
	if b.m.polls(got) {
		return b.m.wait(c, pollBlob)
	}
	return b.m.blob(got), nil
}
