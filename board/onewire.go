package board

import (
	"math"
	"sync"
)

// A oneWire is a 1-Wire bus with thermometers at a UART, wired as the vendor's page has it:
// the UART hears what it writes, and devices pull the line low meanwhile. At 9600 bits per
// second 0xf0 is a reset; at 115200 a byte is the time of one bit, 0xff for a 1, or for a
// bit to be read, and 0 for a 0.
// Source: https://developer.electricimp.com/resources/onewire.
type oneWire struct {
	mu      sync.Mutex
	devices map[int]*ds18b20 // by the number in the file
}

// Bytes of a UART at a 1-Wire bus.
const (
	wireReset   = 0xf0
	wirePresent = 0xe0 // the answer to a reset when there are devices
	wireOne     = 0xff
	wireZero    = 0xfe // a bit that a device has made 0
)

// transfer is a Peripheral: each byte written is answered by one.
func (w *oneWire) transfer(out []byte, in int) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	answer := make([]byte, 0, len(out))
	for _, b := range out {
		answer = append(answer, w.slot(b))
	}
	return answer[:min(in, len(answer))], nil
}

// slot is the time of one byte.
func (w *oneWire) slot(b byte) byte {
	if b == wireReset {
		for _, d := range w.devices {
			d.reset()
		}
		if len(w.devices) > 0 {
			return wirePresent
		}
		return wireReset
	}
	line := b == wireOne
	for _, d := range w.devices { // each can only pull the line low
		if !d.level() {
			line = false
		}
	}
	for _, d := range w.devices {
		d.bit(line)
	}
	switch {
	case line:
		return wireOne
	case b == wireOne:
		return wireZero
	}
	return b
}

// set puts a thermometer on the bus, or changes its temperature.
func (w *oneWire) set(number int, celsius float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.devices[number]
	if d == nil {
		d = newDS18B20(number)
		w.devices[number] = d
	}
	d.celsius = celsius
}

// ds18b20 is a thermometer, which measures when it is told to.
type ds18b20 struct {
	rom     [8]byte
	celsius float64 // around it
	memory  [9]byte // the scratchpad: the last measurement, alarms, configuration

	next func(bit bool) // takes the bits that come; nil: it is not addressed until a reset
	send []byte         // what it sends in the next slots, from sent on
	sent int            // bits
}

// Commands of 1-Wire devices, and those of the thermometer.
const (
	wireSearch  = 0xf0
	wireReadROM = 0x33
	wireMatch   = 0x55
	wireSkip    = 0xcc

	thermoConvert = 0x44
	thermoRead    = 0xbe
	thermoWrite   = 0x4e
)

// newDS18B20 returns a thermometer whose serial number is a number. It has not measured yet,
// for which it has 85 °C.
func newDS18B20(number int) *ds18b20 {
	d := &ds18b20{rom: [8]byte{0x28, byte(number), byte(number >> 8)}}
	d.rom[7] = crc8(d.rom[:7])
	d.memory = [9]byte{0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10}
	d.memory[8] = crc8(d.memory[:8])
	return d
}

// level is what the device lets the line be in the next slot.
func (d *ds18b20) level() bool {
	if d.sent >= 8*len(d.send) {
		return true
	}
	return d.send[d.sent/8]>>(d.sent%8)&1 == 1
}

// bit is a slot with the line's level.
func (d *ds18b20) bit(line bool) {
	switch {
	case d.sent < 8*len(d.send):
		d.sent++
	case d.next != nil:
		d.next(line)
	}
}

// say has the device send bytes in the next slots.
func (d *ds18b20) say(data ...byte) { d.send, d.sent = data, 0 }

func (d *ds18b20) reset() {
	d.say()
	d.gather(1, func(data []byte) { d.address(data[0]) })
}

// gather takes n bytes, and then calls f.
func (d *ds18b20) gather(n int, f func([]byte)) {
	data := make([]byte, n)
	at := 0
	d.next = func(bit bool) {
		if bit {
			data[at/8] |= 1 << (at % 8)
		}
		if at++; at == 8*n {
			d.next = nil
			f(data)
		}
	}
}

// address handles the command that says which devices are meant.
func (d *ds18b20) address(command byte) {
	obey := func() { d.gather(1, func(data []byte) { d.obey(data[0]) }) }
	switch command {
	case wireReadROM:
		d.say(d.rom[:]...)
		obey()
	case wireMatch:
		d.gather(8, func(rom []byte) {
			if [8]byte(rom) == d.rom {
				obey()
			}
		})
	case wireSkip:
		obey()
	case wireSearch:
		d.search(0)
	}
}

// search takes part in the search from a bit of the address on: the device sends the bit and
// its complement, and goes on if the host chooses its bit.
func (d *ds18b20) search(at int) {
	if at == 64 {
		return
	}
	bit := d.rom[at/8] >> (at % 8) & 1
	d.send, d.sent = []byte{bit<<6 | (1-bit)<<7}, 6 // the last two bits of a byte
	d.next = func(chosen bool) {
		d.next = nil
		if chosen == (bit == 1) {
			d.search(at + 1)
		}
	}
}

// obey handles a command to the thermometer.
func (d *ds18b20) obey(command byte) {
	switch command {
	case thermoConvert:
		raw := uint16(int16(math.Round(min(max(d.celsius, -55), 125) * 16)))
		d.memory[0], d.memory[1] = byte(raw), byte(raw>>8)
		d.memory[8] = crc8(d.memory[:8])
	case thermoRead:
		d.say(d.memory[:]...)
	case thermoWrite:
		d.gather(3, func(data []byte) {
			copy(d.memory[2:], data)
			d.memory[8] = crc8(d.memory[:8])
		})
	}
}

// crc8 is the checksum of 1-Wire devices.
func crc8(data []byte) (crc byte) {
	for _, b := range data {
		for range 8 {
			mix := (crc ^ b) & 1
			crc >>= 1
			if mix == 1 {
				crc ^= 0x8c
			}
			b >>= 1
		}
	}
	return crc
}
