package device

import "github.com/tandem-iot/tandem/imp"

// Arguments of the callbacks of server.connect and server.onunexpecteddisconnect.
const (
	NotConnected    = 0
	NoLink          = 1 // there is no network
	NoAddress       = 2
	NotResolved     = 3 // the server's name was not resolved
	NoServer        = 4 // the server does not answer
	ServerConnected = 5
)

// Refused is the Code of a Sent for a message that the server has refused. The
// code gets the same error as for a message lost with its link.
const Refused = imp.SendDisconnected

// Reasons for which the code started: results of hardware.wakereason().
const (
	WakePowerOn       = 0
	WakeTimer         = 1
	WakeSoftwareReset = 2
	WakePin           = 3
	WakeNewSquirrel   = 4
	WakeSquirrelError = 5
	WakeRestart       = 10
)

var wakeNames = map[int]string{
	WakePowerOn: "POWER_ON", WakeTimer: "TIMER", WakeSoftwareReset: "SW_RESET", WakePin: "PIN",
	WakeNewSquirrel: "NEW_SQUIRREL", WakeSquirrelError: "SQUIRREL_ERROR", WakeRestart: "SW_RESTART",
}

// WakeName returns the name of a wake reason: the name of its constant without
// WAKEREASON_.
func WakeName(wake int) string { return wakeNames[wake] }

// Reasons for which the code should end: arguments of server.onshutdown's callback.
const (
	ShutdownNewSquirrel = 1
	ShutdownOther       = 3
)

// Send timeout policies. The numbers are ours; code uses the names.
const (
	suspendOnError = iota
	returnOnError
	returnNoDisconnect
)

// When a send counts as done.
const (
	waitTilSent = iota
	waitForAck
)

// Pin modes, by number. The numbers are ours; code uses the names.
const (
	modeNone = iota
	modeDigitalIn
	modeDigitalInPullUp
	modeDigitalInPullDown
	modeDigitalInWakeup
	modeDigitalOut
	modeDigitalOutOD
	modeDigitalOutODPullUp
	modeAnalogIn
	modeAnalogOut
	modePWMOut
	modePulseCounter
	modePulserHigh
	modePulserLow
)

// modeNames are the names of the modes in code and at the Board.
var modeNames = [...]string{
	modeDigitalIn:          "DIGITAL_IN",
	modeDigitalInPullUp:    "DIGITAL_IN_PULLUP",
	modeDigitalInPullDown:  "DIGITAL_IN_PULLDOWN",
	modeDigitalInWakeup:    "DIGITAL_IN_WAKEUP",
	modeDigitalOut:         "DIGITAL_OUT",
	modeDigitalOutOD:       "DIGITAL_OUT_OD",
	modeDigitalOutODPullUp: "DIGITAL_OUT_OD_PULLUP",
	modeAnalogIn:           "ANALOG_IN",
	modeAnalogOut:          "ANALOG_OUT",
	modePWMOut:             "PWM_OUT",
	modePulseCounter:       "PULSE_COUNTER",
	modePulserHigh:         "PTPG_OUT_ACTIVE_HIGH",
	modePulserLow:          "PTPG_OUT_ACTIVE_LOW",
}

// modeDocs are the texts for the modes in the manual.
var modeDocs = [...]string{
	modeDigitalIn:          "Pin mode: a digital input.",
	modeDigitalInPullUp:    "Pin mode: a digital input that is high when nothing drives it.",
	modeDigitalInPullDown:  "Pin mode: a digital input that is low when nothing drives it.",
	modeDigitalInWakeup:    "Pin mode: a digital input that ends a deep sleep when it goes high: pin1, pinV, pinW.",
	modeDigitalOut:         "Pin mode: a digital output.",
	modeDigitalOutOD:       "Pin mode: a digital output that only pulls down.",
	modeDigitalOutODPullUp: "Pin mode: a digital output that only pulls down, with a resistor that pulls up.",
	modeAnalogIn:           "Pin mode: an analog input, read as 0 to 65535.",
	modeAnalogOut:          "Pin mode: an analog output, written as 0.0 to 1.0.",
	modePWMOut:             "Pin mode: a digital output that is high for a part of each period.",
	modePulseCounter:       "Pin mode: an input that counts pulses; pin.read waits while it counts.",
	modePulserHigh:         "Pin mode: an output that gives a pulse after each edge of another pin.",
	modePulserLow:          "Pin mode: the same, high at rest and low in the pulse.",
}

// Events of a UART, for uart.flags.
const (
	uartReadReady = 1 << iota
	uartWriteDone
	uartNoise
	uartFrame
	uartParity
	uartOverrun
	uartLineIdle
	uartWriteHalfDone

	uartFaults = uartNoise | uartFrame | uartParity | uartOverrun
)

// faultFlags are the events for the faults of a line, by the name at the Board.
var faultFlags = map[string]int{"noise": uartNoise, "frame": uartFrame, "parity": uartParity}

// spiUseChipSelect is the flag of spi.configure for the bus's own chip-select line.
const spiUseChipSelect = 64

// Flags of sampler.configure and fixedfrequencydac.configure. The numbers are ours;
// code uses the names.
const (
	audioNormalise = 1 << iota
	audioCompress
	audioDecompress
	audioAC
)
