// Package device is a device: its code, written for the imp API, as a pure
// machine. Step takes an event and returns the effects that the code asks for.
// There is no goroutine, clock or socket. Package runner runs a machine in real
// time, package board simulates the hardware.
//
//	m := device.New(cfg, now)
//	perform(m.Step(now, &device.Boot{}))
//	perform(m.Step(now, &device.Linked{Address: "10.0.0.2"}))
//
// The same code, events and times give the same effects, byte for byte, and a
// machine restored from a Snapshot continues exactly as the original.
//
// # Events and waiting
//
// The code handles one event at a time, to its end. While it waits inside a call
// (imp.sleep, a send that cannot be done yet, server.flush) the machine is Busy
// and takes only the events of TakenBusy; its owner keeps the others in order.
// Alarm returns when the next Alarm or Woken is due.
//
// # The link
//
// The machine learns about the link by Linked and Unlinked, and keeps account of
// the send buffer: a Send or Log is in it until Written, and unacknowledged until
// Sent. The results that the code gets depend on the send timeout policy:
//
//   - SUSPEND_ON_ERROR, the default: without a link the code stops until there is
//     one, however long that takes. An imp would sleep deeply after a minute and
//     start the code again, to save its battery; here that would only lose the
//     state of the code.
//   - RETURN_ON_ERROR: a send fails at once without a link, and after the timeout
//     without room in the buffer; then the link is ended and a new one is made.
//   - RETURN_ON_ERROR_NO_DISCONNECT: a send that does not fit the buffer fails at
//     once, and the link stays.
//
// A send that has returned 0 is kept and repeated by the runner until the agent
// has handled it, across any loss of the link, and a line until it is in the log. One that has returned an error is
// withdrawn, though it may have arrived. Unlike on an imp, attempts to connect
// end only by server.disconnect or a deep sleep, so that no policy leaves a device
// offline. server.onunexpecteddisconnect is called after a minute without a link,
// as on an imp.
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
// The global hardware has the pins and buses of the module's type, under the names
// that the vendor's libraries use. They are native functions over a Board. Reading
// and writing are immediate; changes from outside arrive as Changed.
package device
