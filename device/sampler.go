package device

import (
	"encoding/binary"
	"time"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Names under which the Core keeps the values of hardware.sampler.
const (
	onSamples     = "sampler"
	lastSamples   = "sampler:last" // no handler: stopped has them
	samplerQueue  = "sampler:buffers"
	maxBuffers    = 8
	maxSampleRate = 1_000_000 // hertz
)

// shortestAlarm is the least time between two alarms of the sampler, and of the
// converter. Buffers that last less are lost as on hardware that is too slow for them.
const shortestAlarm = time.Millisecond

// sampler is the state of hardware.sampler. The program's buffers are filled in turn,
// each when its last sample is taken, so nothing happens between.
type sampler struct {
	Pins    []int   // indexes of the pins; empty: not configured
	Rate    float64 // hertz
	Filters int
	Next    int     // index of the buffer that is being filled
	Began   instant // the time of its first sample; 0: it does not sample
	Due     instant // when to fill the buffer
	Stopped instant // when the program stopped it in the middle of a buffer
	Again   bool    // it was started again before the callback had that buffer
	Mean    float64 // of the signal, for NORMALISE
}

// width is the number of bytes of a sample of all pins.
func (s *sampler) width() int {
	if s.Filters&audioCompress != 0 {
		return len(s.Pins)
	}
	return 2 * len(s.Pins)
}

// span returns how long n samples take.
func (s *sampler) span(n int) time.Duration {
	return time.Duration(float64(n) / s.Rate * float64(time.Second))
}

func samplerConfigure(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	pins, err := m.analogPins(c, c.Arg(1))
	if err != nil {
		return squirrel.Null, err
	}
	rate, _ := c.Arg(2).Number()
	if !(rate > 0 && rate <= maxSampleRate) {
		return c.Errorf("sampler.configure: the sample rate must be above 0 and %d Hz at most", maxSampleRate)
	}
	queue, err := buffers(c, "sampler.configure", 2*len(pins))
	if err != nil {
		return squirrel.Null, err
	}
	for _, i := range pins {
		if err := m.board.Setup(m.things[i].name, modeNames[modeAnalogIn], 0); err != nil {
			return c.Errorf("%s: %v", m.things[i].name, err)
		}
		m.st.Pins[i] = pinState{Mode: modeAnalogIn}
		m.core.SetHandler(pinHandler(i), squirrel.Null)
	}
	m.st.Sampler = sampler{Pins: pins, Rate: float64(rate), Filters: int(c.Int(5)), Mean: 1 << 15}
	m.core.SetHandler(samplerQueue, queue)
	m.core.SetHandler(onSamples, m.core.Callback(c, 4))
	return squirrel.Null, nil
}

// analogPins returns the indexes of the pins of sampler.configure: x is a pin or an
// array of pins.
func (m *Machine) analogPins(c *squirrel.Call, x squirrel.Value) (pins []int, err error) {
	v := m.vm()
	list := []squirrel.Value{x}
	if x.IsArray() {
		if n := v.Len(x); n > len(m.things) {
			_, err := c.Errorf("sampler.configure: %d pins are more than the module has", n)
			return nil, err
		}
		list = nil
		for i := range v.Len(x) {
			list = append(list, v.Index(x, i))
		}
	}
	if err := c.Charge(nativeCost * (1 + len(list))); err != nil {
		return nil, err
	}
	for _, pin := range list {
		i, ok := m.pinOf(pin)
		if !ok {
			_, err := c.Errorf("sampler.configure: parameter 1 must be a pin, or an array of pins")
			return nil, err
		}
		if !m.module.can(m.things[i].name, modeAnalogIn) {
			_, err := c.Errorf("this pin does not support that mode: %s, mode ANALOG_IN", m.things[i].name)
			return nil, err
		}
		pins = append(pins, i)
	}
	if len(pins) == 0 {
		_, err := c.Errorf("sampler.configure: there is no pin to sample")
		return nil, err
	}
	return pins, nil
}

// buffers returns a copy of argument 3, an array of blobs, whose lengths must be
// multiples of a width.
func buffers(c *squirrel.Call, call string, width int) (squirrel.Value, error) {
	v := c.VM()
	list := c.Arg(3)
	n := v.Len(list)
	if n < 1 || n > maxBuffers {
		return c.Errorf("%s: there must be 1 to %d buffers", call, maxBuffers)
	}
	if err := c.Charge(nativeCost * (1 + n)); err != nil {
		return squirrel.Null, err
	}
	queue := v.NewArray()
	for i := range n {
		b := v.Index(list, i)
		switch {
		case !v.IsBlob(b):
			return c.Errorf("%s: buffer %d is not a blob", call, i)
		case v.Len(b) == 0 || v.Len(b)%width != 0:
			return c.Errorf("%s: the length of buffer %d is %d, which is no multiple of %d", call, i, v.Len(b), width)
		}
		v.Append(queue, b)
	}
	return queue, nil
}

func samplerStart(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	s := &m.st.Sampler
	if len(s.Pins) == 0 {
		return c.Errorf("sampler.start: call sampler.configure first")
	}
	switch {
	case s.Stopped != 0:
		s.Again = true
	case s.Began == 0:
		s.Next = 0
		m.sampleFrom(instantOf(m.core.Now))
	}
	return squirrel.Null, nil
}

// sampleFrom starts to fill the next buffer with samples from a time on.
func (m *Machine) sampleFrom(began instant) {
	s := &m.st.Sampler
	s.Began, s.Stopped = began, 0
	n := m.vm().Len(m.vm().Index(m.core.Handler(samplerQueue), s.Next)) / s.width()
	s.Due = max(began+instant(s.span(n)), instantOf(m.core.Now.Add(shortestAlarm)))
}

// samplerStop stops at once. The samples that there are go to the callback after the
// handler that runs now.
func samplerStop(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	if s := &m.st.Sampler; s.Began != 0 && s.Stopped == 0 {
		s.Stopped = instantOf(m.core.Now)
		s.Due = 0
		m.later(lastSamples, 0)
	}
	return squirrel.Null, nil
}

func samplerReset(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	m.st.Sampler = sampler{}
	m.core.SetHandler(samplerQueue, squirrel.Null)
	m.core.SetHandler(onSamples, squirrel.Null)
	return squirrel.Null, nil
}

// sampled fills the buffer that is due, and gives it to the callback. When more time has
// passed than all buffers hold, these samples are lost, and the callback gets null and 0.
func (m *Machine) sampled() imp.Outcome {
	s := &m.st.Sampler
	v := m.vm()
	queue := m.core.Handler(samplerQueue)
	buffer := v.Index(queue, s.Next)
	room := v.Len(buffer) / s.width()
	span := instant(s.span(max(room, 1)))
	end := s.Began + span
	if now := instantOf(m.core.Now); now-end > instant(v.Len(queue))*span {
		m.sampleFrom(now)
		return m.core.CallHandler(onSamples, squirrel.Null, squirrel.Int(0))
	}
	m.fill(buffer, s.Began, room)
	s.Next = (s.Next + 1) % v.Len(queue)
	m.sampleFrom(end)
	return m.core.CallHandler(onSamples, buffer, imp.Int32(room*s.width()))
}

// stopped gives the callback the samples that there were when the sampler was stopped.
func (m *Machine) stopped() imp.Outcome {
	s := &m.st.Sampler
	if s.Stopped == 0 {
		return imp.Done // it was reset meanwhile
	}
	queue := m.core.Handler(samplerQueue)
	buffer := m.vm().Index(queue, s.Next)
	began := s.Began
	taken := int(time.Duration(s.Stopped-began).Seconds()*s.Rate + 1e-6)
	taken = min(taken, m.vm().Len(buffer)/s.width())
	s.Began, s.Stopped = 0, 0
	if s.Again {
		s.Again = false
		s.Next = (s.Next + 1) % m.vm().Len(queue)
		m.sampleFrom(instantOf(m.core.Now))
	}
	if taken == 0 {
		return imp.Done
	}
	m.fill(buffer, began, taken)
	return m.core.CallHandler(onSamples, buffer, imp.Int32(taken*s.width()))
}

// fill writes n samples of all pins to a buffer, the first taken at a time.
func (m *Machine) fill(buffer squirrel.Value, began instant, n int) {
	s := &m.st.Sampler
	out := make([]byte, 0, n*s.width())
	for i := range n {
		at := time.Unix(0, int64(began)).Add(s.span(i))
		for _, pin := range s.Pins {
			// 12 bits of precision, in the upper bits.
			x := uint16(share(float32(m.board.Read(m.things[pin].name, at)))*4095+0.5) << 4
			out = s.append(out, x)
		}
	}
	copy(m.vm().Bytes(buffer), out)
}

// append adds a sample to out, after the filters.
func (s *sampler) append(out []byte, x uint16) []byte {
	if s.Filters&audioNormalise != 0 {
		// The mean follows the signal slowly; what remains is around the middle.
		s.Mean += (float64(x) - s.Mean) / 256
		x = uint16(min(max(float64(x)-s.Mean+1<<15, 0), 1<<16-1))
	}
	if s.Filters&audioCompress != 0 {
		return append(out, compressALaw(int16(int32(x)-1<<15)))
	}
	return binary.LittleEndian.AppendUint16(out, x)
}

// pwmPair is the kind of peripheral that is a pair of pins. Programs see it as a pin.
const pwmPair = "pwmpair"

// converts reports whether x is something that hardware.fixedfrequencydac can drive, and
// which.
func (m *Machine) converts(x squirrel.Value) (i int, ok bool) {
	if i, ok = m.pinOf(x); ok {
		return i, m.module.can(m.things[i].name, modeAnalogOut)
	}
	if !m.vm().IsNative(x, "pin") {
		return 0, false
	}
	return int(m.vm().Payload(x).AsInt()), true
}

// takeFirst removes the first element of the array kept under a name, and returns it.
func (m *Machine) takeFirst(name string) squirrel.Value {
	v := m.vm()
	queue := m.core.Handler(name)
	shorter := v.NewArray()
	for i := 1; i < v.Len(queue); i++ {
		v.Append(shorter, v.Index(queue, i))
	}
	m.core.SetHandler(name, shorter)
	return v.Index(queue, 0)
}
