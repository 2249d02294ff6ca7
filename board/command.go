package board

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Command executes one line of text, for scripts and for people at a terminal.
// Blank lines and lines that begin with # do nothing.
//
//	pin1 = 1               drive a pin; also voltage = 3.1, lightlevel = 40000
//	pin1 =                 stop driving it
//	pin1 = square 100      drive it with a square wave of 100 Hz
//	pin2 = sine 50 0.2 0.8 drive it with a sine of 50 Hz between two levels
//	i2c89 0x90 00 = 1a 20  registers of a peripheral, from 00 on
//	uart57 ds18b20 1 = 21  a thermometer on a 1-Wire bus at a UART, and its degrees
//	uart57 < hello\n       bytes arrive, in Go's string syntax
//	uart57 ! parity        a fault of the line: noise, frame or parity
//
// The first line that names an address on a bus attaches Registers there.
func (s *Simulated) Command(line string) error {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil
	}
	if name, text, ok := strings.Cut(line, "<"); ok {
		data, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSpace(text), `"`, `\"`) + `"`)
		if err != nil {
			return fmt.Errorf("%q: not a string", text)
		}
		s.Feed(strings.TrimSpace(name), []byte(data))
		return nil
	}
	if name, fault, ok := strings.Cut(line, "!"); ok {
		return s.Disturb(strings.TrimSpace(name), strings.TrimSpace(fault))
	}
	left, value, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%q: expected `name = value`, `uart < text` or `uart ! fault`", line)
	}
	value = strings.TrimSpace(value)
	switch f := strings.Fields(left); len(f) {
	case 1:
		return s.drive(f[0], value)
	case 3:
		if f[1] == "ds18b20" {
			return s.setThermometer(f[0], f[2], value)
		}
		return s.setRegisters(f[0], f[1], f[2], value)
	}
	return fmt.Errorf("%q: expected a pin, or a bus, an address and a register", left)
}

func (s *Simulated) drive(name, value string) error {
	if value == "" {
		s.Release(name)
		return nil
	}
	if words := strings.Fields(value); words[0] == "square" || words[0] == "sine" {
		return s.driveWave(name, words[0] == "square", words[1:])
	}
	level, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%q: not a level", value)
	}
	s.Drive(name, level)
	return nil
}

// driveWave drives a pin with a wave: its frequency and, if they are not 0 and 1, its
// lowest and highest level.
func (s *Simulated) driveWave(name string, square bool, words []string) error {
	if len(words) != 1 && len(words) != 3 {
		return fmt.Errorf("%q: expected a frequency in hertz, and no level or two", words)
	}
	numbers := []float64{0, 0, 1}
	for i, word := range words {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return fmt.Errorf("%q: not a number", word)
		}
		numbers[i] = x
	}
	return s.DriveWave(name, Wave{Square: square, Hertz: numbers[0], Low: numbers[1], High: numbers[2]})
}

func (s *Simulated) setThermometer(busName, number, value string) error {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return fmt.Errorf("%q: not the number of a thermometer", number)
	}
	celsius, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(celsius) {
		return fmt.Errorf("%q: not degrees", value)
	}
	if !strings.HasPrefix(busName, "uart") {
		return fmt.Errorf("%s: a 1-Wire bus is at a UART", busName)
	}
	s.mu.Lock()
	b := s.bus(busName)
	if b.wire == nil {
		b.wire = &oneWire{devices: map[int]*ds18b20{}}
		b.peripherals = map[int]Peripheral{0: b.wire.transfer}
	}
	w := b.wire
	s.mu.Unlock()
	w.set(int(n), celsius)
	return nil
}

func (s *Simulated) setRegisters(busName, addr, reg, value string) error {
	a, err := strconv.ParseUint(addr, 0, 8)
	if err != nil {
		return fmt.Errorf("%q: not an address, which is a number such as 0x90", addr)
	}
	r, err := strconv.ParseUint(strings.TrimPrefix(reg, "0x"), 16, 8)
	if err != nil {
		return fmt.Errorf("%q: not a register, which is a number in hexadecimal such as 1a", reg)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
	if err != nil {
		return fmt.Errorf("%q: not bytes in hexadecimal, such as 1a 20", value)
	}
	s.registers(busName, int(a)).Set(byte(r), data...)
	return nil
}

// registers returns the Registers at an address. When there are none it attaches
// them, in place of any other peripheral.
func (s *Simulated) registers(busName string, addr int) *Registers {
	s.mu.Lock()
	b := s.bus(busName)
	if r := b.registers[addr&^1]; r != nil {
		s.mu.Unlock()
		return r
	}
	r := &Registers{}
	if b.registers == nil {
		b.registers = map[int]*Registers{}
	}
	b.registers[addr&^1] = r
	s.mu.Unlock()
	s.Attach(busName, addr, r.Transfer)
	return r
}
