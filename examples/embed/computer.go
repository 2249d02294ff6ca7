package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
)

// Pins of the computer.
const (
	thermometer = "pin1" // 1 is 100 °C
	light       = "pin2"
	button      = "pin5"
)

// pollEvery is how often the button is looked at.
const pollEvery = 20 * time.Millisecond

// computer is the hardware of a computer as Linux shows it in /sys. The Board in it is for all
// other pins and buses: nothing is connected to them.
type computer struct {
	device.Board
	celsius string // files
	led     string
	gpio    string
}

func newComputer(sys string) *computer {
	return &computer{
		Board:   board.New(),
		celsius: filepath.Join(sys, "class/thermal/thermal_zone0/temp"), // in thousandths
		led:     filepath.Join(sys, "class/leds/ACT/brightness"),
		gpio:    filepath.Join(sys, "class/gpio/gpio17/value"),
	}
}

// Setup is called when the program configures a pin. What it returns as an error the program
// sees as an exception.
func (c *computer) Setup(pin, mode string, level float64) error {
	if pin == light && mode != "" {
		return c.Write(pin, level)
	}
	return c.Board.Setup(pin, mode, level)
}

// Write is called when the program writes to an output.
func (c *computer) Write(pin string, level float64) error {
	if pin != light {
		return c.Board.Write(pin, level)
	}
	value := "0"
	if level >= 0.5 {
		value = "1"
	}
	return os.WriteFile(c.led, []byte(value), 0o644)
}

// Read is called when the program reads a pin. What cannot be read reads as 0.
func (c *computer) Read(pin string, at time.Time) float64 {
	switch pin {
	case thermometer:
		return readNumber(c.celsius) / 100_000
	case button:
		return readNumber(c.gpio)
	}
	return c.Board.Read(pin, at)
}

func readNumber(file string) float64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return 0
	}
	return n
}

// watch tells the device of each change of the button until ctx ends: it does not look itself.
func (c *computer) watch(ctx context.Context, changed func(device.Changed)) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	was := c.Read(button, time.Time{})
	for {
		select {
		case <-poll.C:
			if now := c.Read(button, time.Time{}); now != was {
				was = now
				changed(device.Changed{Pin: button})
			}
		case <-ctx.Done():
			return
		}
	}
}
