// Package life is the life of one pair as a value: it decides when an agent
// starts, restarts, sleeps, moves and ends, what it is told of its device, what
// becomes of the requests and messages that wait for it, and what of all that
// goes along to another node. It does nothing itself: a shell brings it events,
// does the effects that come out, and brings their outcomes as further events.
//
//	l := life.New(config, device, agent)
//	effects := l.Take(now, 0, &life.Request{Number: 1, Request: r}) // it wants its record and its code
//	effects = l.Take(now, l.Number(), &life.AgentLoaded{ID: 1, …})  // it boots, and wants to begin an incarnation
//	effects = l.Take(now, l.Number(), &life.Begun{ID: 2, …})        // "Agent started."
//	for l.Ready() { effects = l.Advance(now) }                      // the request is handled: an Answer
//
// A Life has no lock, no clock, no randomness and no goroutine. Given the same
// events at the same times it gives the same effects, to the byte. One goroutine
// at a time may use it. Package host is the shell for real nodes.
//
// # Events and effects
//
// Take is for what has happened; it never waits and runs the program only where
// the event is one that the program waits for. Everything else for the agent goes
// into the inbox, from which Advance takes one item, or one timer that is due, at
// a time. The effects of a call are to be done in their order and before the next
// call. Both slices are reused by the next call; what is in them is not.
//
// An effect that has an outcome carries an ID, unique in the life of the pair
// over all its moves; the outcome carries the same. Effects on the store (Begin,
// Save, Post, ForgetPost, TakeSnapshot, End) may take any time; reads (LoadAgent,
// LoadDevice, LoadProgram, LoadPosts) may be answered at once.
//
// A Token stands for something outside that waits until an item has been handled,
// such as the acknowledgement of a device's message. Each is given back exactly
// once, by Handled or by Forget.
//
// # Time
//
// Events carry tandem.Now. Its monotonic part measures patience, back-off, grace
// and idleness: it goes on while an agent hibernates, and when the pair moves what
// is left of each deadline goes along, less nothing for the way. Its wall part is
// for what programs state, timers and log lines. Deadline says when Tick is due.
//
// # Who may come in
//
// A Door decides without the agent's participation whether a message or a request
// is taken, so that its sender can be told at once, also while the agent
// runs. It is a value of its own because the shell guards it by a lock.
//
// DESIGN.md has the states, the invariants and what happens on each failure.
package life
