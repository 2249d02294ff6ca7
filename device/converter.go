package device

import (
	"encoding/binary"
	"time"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Names under which the Core keeps the values of hardware.fixedfrequencydac, and the
// name that its output has at the Board.
const (
	onConsumed     = "fixedfrequencydac"
	converterQueue = "fixedfrequencydac:buffers"
	converterName  = "fixedfrequencydac"
)

// converter is the state of hardware.fixedfrequencydac. A buffer is converted at the
// time of its last sample, as a whole.
type converter struct {
	Ready   bool
	Output  int     // index of the pin, or of the pair of pins
	Rate    float64 // hertz
	Flags   int
	Running bool
	Due     instant // when the first buffer of the queue is consumed, or is missing; 0: never
	Missing bool    // Due is when a buffer is missing
}

func converterConfigure(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	output, ok := m.converts(c.Arg(1))
	if !ok {
		return c.Errorf("fixedfrequencydac.configure: parameter 1 must be a pin with ANALOG_OUT, or hardware.pwmpairKD")
	}
	rate, _ := c.Arg(2).Number()
	if !(rate > 0 && rate <= maxSampleRate) {
		return c.Errorf("fixedfrequencydac.configure: the sample rate must be above 0 and %d Hz at most", maxSampleRate)
	}
	flags := int(c.Int(5))
	queue, err := buffers(c, "fixedfrequencydac.configure", sampleBytes(flags))
	if err != nil {
		return squirrel.Null, err
	}
	if m.things[output].class == "pin" {
		if err := m.board.Setup(m.things[output].name, modeNames[modeAnalogOut], 0); err != nil {
			return c.Errorf("%s: %v", m.things[output].name, err)
		}
		m.st.Pins[output] = pinState{Mode: modeAnalogOut}
		m.core.SetHandler(pinHandler(output), squirrel.Null)
	}
	m.st.Converter = converter{Ready: true, Output: output, Rate: float64(rate), Flags: flags}
	m.core.SetHandler(converterQueue, queue)
	m.core.SetHandler(onConsumed, m.core.Callback(c, 4))
	return squirrel.Null, nil
}

// sampleBytes is the number of bytes of a sample.
func sampleBytes(flags int) int {
	if flags&audioDecompress != 0 {
		return 1
	}
	return 2
}

func converterStart(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	s := &m.st.Converter
	if !s.Ready {
		return c.Errorf("fixedfrequencydac.start: call fixedfrequencydac.configure first")
	}
	if !s.Running {
		s.Running = true
		m.convertFrom(instantOf(m.core.Now))
	}
	return squirrel.Null, nil
}

// convertFrom starts with the first buffer of the queue at a time. When there is none,
// the next sample is missing.
func (m *Machine) convertFrom(began instant) {
	s := &m.st.Converter
	first := m.vm().Index(m.core.Handler(converterQueue), 0)
	s.Missing = first.IsNull()
	n := 1
	if !s.Missing {
		n = m.vm().Len(first) / sampleBytes(s.Flags)
	}
	took := time.Duration(float64(n) / s.Rate * float64(time.Second))
	s.Due = max(began+instant(took), instantOf(m.core.Now.Add(shortestAlarm)))
}

func converterStop(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	s := &m.st.Converter
	s.Running, s.Missing = false, false
	s.Due = 0
	m.core.SetHandler(converterQueue, m.vm().NewArray())
	return squirrel.Null, nil
}

func converterAddBuffer(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	v := m.vm()
	s := &m.st.Converter
	queue := m.core.Handler(converterQueue)
	switch b := c.Arg(1); {
	case !s.Ready:
		return c.Errorf("fixedfrequencydac.addbuffer: call fixedfrequencydac.configure first")
	case !v.IsBlob(b):
		return c.Errorf("fixedfrequencydac.addbuffer: parameter 1 must be a blob")
	case v.Len(b) == 0 || v.Len(b)%sampleBytes(s.Flags) != 0:
		return c.Errorf("fixedfrequencydac.addbuffer: %d bytes are no whole samples", v.Len(b))
	case v.Len(queue) >= maxBuffers:
		return c.Errorf("fixedfrequencydac.addbuffer: %d buffers wait already, which is the limit", maxBuffers)
	}
	v.Append(queue, c.Arg(1))
	if s.Running && (s.Missing || s.Due == 0) {
		m.convertFrom(instantOf(m.core.Now))
	}
	return squirrel.Null, nil
}

// consumed converts the buffer that is due, and gives it back to the callback; null when
// a buffer was missing.
func (m *Machine) consumed() imp.Outcome {
	s := &m.st.Converter
	if s.Missing {
		s.Missing, s.Due = false, 0
		return m.core.CallHandler(onConsumed, squirrel.Null)
	}
	buffer := m.takeFirst(converterQueue)
	samples := s.samples(m.vm().Bytes(buffer))
	if _, err := m.board.Transfer(converterName, 0, samples, 0); err != nil {
		m.explain(true, "fixedfrequencydac: "+err.Error())
	}
	if n := len(samples); n >= 2 && m.things[s.Output].class == "pin" {
		level := float64(binary.LittleEndian.Uint16(samples[n-2:])) / (1<<16 - 1)
		m.st.Pins[s.Output].Level = level
		if err := m.board.Write(m.things[s.Output].name, level); err != nil {
			m.explain(true, "fixedfrequencydac: "+err.Error())
		}
	}
	m.convertFrom(s.Due)
	return m.core.CallHandler(onConsumed, buffer)
}

// samples returns the samples of a buffer as they are converted: two bytes each.
func (s *converter) samples(data []byte) (out []byte) {
	if s.Flags&audioDecompress == 0 {
		return append(out, data...)
	}
	for _, code := range data {
		out = binary.LittleEndian.AppendUint16(out, uint16(int32(expandALaw(code))+1<<15))
	}
	return out
}
