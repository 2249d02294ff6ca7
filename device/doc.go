// Package device is a device: its code, written for the imp API, as a pure
// machine. Step takes an event and returns what the code wants done; there is no
// goroutine, clock or socket. Package runner runs one in real time, package board
// is the hardware.
//
//	m := device.New(cfg, now)
//	perform(m.Step(now, &device.Boot{}))
//	perform(m.Step(now, &device.Linked{Address: "10.0.0.2"}))
//
// Same code, same events and same times give the same effects, byte for byte, and
// a machine restored from a Snapshot goes on as the one it was taken of.
//
// # Events and waiting
//
// The code handles one event at a time, to its end. While it waits inside a call
// (imp.sleep, a send that cannot be done yet, server.flush) the machine is Busy
// and takes only what TakenBusy names; its owner keeps the rest in order. Alarm
// tells when time itself is an event.
//
// # The link
//
// The machine knows the link by Linked and Unlinked, and keeps the books of the
// send buffer: what Send and Log asked for is in it until Written, and on its way
// until Sent. What the code is told follows from the send timeout policy:
//
//   - SUSPEND_ON_ERROR, the default: without a link the code stops until there is
//     one. It stays stopped for as long as that takes. An imp would sleep deeply
//     after a minute and start the code anew; there is no battery here to justify
//     losing what the code knows.
//   - RETURN_ON_ERROR: a send fails at once without a link, and after the timeout
//     without room in the buffer; then the link is given up and made anew.
//   - RETURN_ON_ERROR_NO_DISCONNECT: a send that does not fit the buffer fails at
//     once, and the link stays.
//
// A send that has returned 0 is kept and repeated by the runner until the agent
// has handled it, across any loss of the link. One that has returned an error is
// withdrawn, though it may have arrived. Unlike on an imp, attempts to connect
// never end by themselves, only by server.disconnect or a deep sleep: no policy
// can strand a device. server.onunexpecteddisconnect is called after a minute
// without a link, as on an imp.
//
// # The end
//
// An incarnation ends with a Restart or DeepSleep effect; the machine is Dead
// then. How it ended is in the log before that: an exception with its call stack
// as server.error, an exit code as lastexitcode. The Wake of the next Config is
// the effect's, unless there is new code.
//
// # Hardware
//
// The global hardware has the pins and buses of the module's type, by the names
// the vendor's libraries use. They are natives over a Board. Reading and writing
// is immediate; what happens outside comes as Changed.
package device
