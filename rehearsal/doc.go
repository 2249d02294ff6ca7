// Package rehearsal is one pair in virtual time: a device, its agent, the link between them and
// what is around them, on the cores that production runs (life, gateway/session, device/core, the
// machines, and the store's decisions by store/twin). What is here are their shells: a node, a
// wire, a disk, a board, and the HTTP servers and callers outside.
//
//	pair, err := rehearsal.Compile(rehearsal.Code{Agent: agentSource, Device: deviceSource})
//	w, err := rehearsal.New(rehearsal.Config{Seed: 1, Pair: pair})
//	w.Run(time.Hour)                            // a millisecond for a pair that is idle
//	w.Do(rehearsal.Fault{Kind: rehearsal.Cut, For: 30 * time.Second})
//	w.Run(time.Minute)
//	for _, l := range w.Log() { … }
//
// A World has no goroutine and reads no clock. The same configuration and the same calls give the
// same log, to the byte. Its queue holds data, no functions, and its randomness is a number: what
// is to happen can be looked at, written down, and copied.
//
// # Programs that drive their world
//
// With a Script in its configuration, a world gives programs a native function by which they act
// on it: the two sides, and a third program, the tester, which belongs to neither and lives on
// when they restart. Package impunit makes of it what tests see as `world`.
//
// DESIGN.md has the data, what always holds, and what is not as in production.
package rehearsal
