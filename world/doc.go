// Package world is a whole cluster with its devices in one goroutine and in
// virtual time, decided by one seed: the same seed gives the same run to the
// byte. It is made of the cores that production runs: life, cluster/protocol,
// gateway/session, device/core and the machines. What is rewritten here are their
// shells and what is around them: the network between nodes and devices, the
// database (store/twin), clocks, disks and the power.
//
//	w := world.New(world.Config{Seed: 7, Nodes: 3, Agents: 300, Pairs: 100})
//	err := w.Chaos(time.Minute) // faults under load; the error says what was broken
//
// # Time
//
// Nothing takes time but what is said to: messages between nodes, bytes between
// devices and gateways, transactions, writes of a device's disk. Each node has a
// monotonic clock that began when it started, and a wall clock that is off by some
// seconds. A node that is paused has its events wait for it.
//
// # What can go wrong
//
// Nodes are killed, paused for less and for more than their lease, stopped in good
// order and drained, also all but one, and the drain is undone. New code is deployed. The
// database goes away, with and without answers that are
// lost. The network between two nodes, or between a node and all else, is cut or
// slow. Devices lose their power, at any write of their disk, and their network,
// with and without anybody noticing; they lose their directory, or go on with an older
// copy of it, and their clocks step by years. Faults come alone, soon after each other, and
// aimed at a node that is in the middle of something. Each seed has kinds of its own
// and its own delays.
//
// # What is checked
//
// A subject's answers against all that were before: one life at a time, no
// acknowledged save lost, no request done twice. Posts of devices and agents,
// handled once each and in order, by the programs themselves. Restarts, each after
// a fault that can cause one. Lines of the log in causal order. Registers, written
// and read by several callers, linearisable: the command that runs worlds checks
// their histories. What nodes do is compared with the database at each step. At the
// end everything comes to rest within bounded time. DESIGN.md has the list.
package world
