package board

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Command executes one line of text, for scripts and for people at a terminal.
// Blank lines and lines that begin with # do nothing.
//
//	pin1 = 1               drive a pin; also voltage = 3.1, lightlevel = 40000
//	pin1 =                 stop driving it
//	i2c89 0x90 00 = 1a 20  registers of a peripheral, from 00 on
//	uart57 < hello\n       bytes arrive, in Go's string syntax
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
			return fmt.Errorf("%q: not a string: %w", text, err)
		}
		s.Feed(strings.TrimSpace(name), []byte(data))
		return nil
	}
	left, value, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%q: expected `name = value` or `uart < text`", line)
	}
	value = strings.TrimSpace(value)
	switch f := strings.Fields(left); len(f) {
	case 1:
		return s.drive(f[0], value)
	case 3:
		return s.setRegisters(f[0], f[1], f[2], value)
	}
	return fmt.Errorf("%q: expected a pin, or a bus, an address and a register", left)
}

func (s *Simulated) drive(name, value string) error {
	if value == "" {
		s.Release(name)
		return nil
	}
	level, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%q: not a level: %w", value, err)
	}
	s.Drive(name, level)
	return nil
}

func (s *Simulated) setRegisters(busName, addr, reg, value string) error {
	a, err := strconv.ParseUint(addr, 0, 8)
	if err != nil {
		return fmt.Errorf("%q: not an address: %w", addr, err)
	}
	r, err := strconv.ParseUint(strings.TrimPrefix(reg, "0x"), 16, 8)
	if err != nil {
		return fmt.Errorf("%q: not a register: %w", reg, err)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
	if err != nil {
		return fmt.Errorf("%q: not bytes in hexadecimal: %w", value, err)
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
