// Package mqtt is the protocol of the device link: MQTT 5.0 and 3.1.1, packets
// and sessions, for both ends. It does no I/O, starts no goroutine and reads no
// clock: bytes and the time are arguments, bytes and events are results. Whoever
// owns the socket decides how to read, write, wait and lock.
//
// # Packets
//
// [Decode] takes one packet off the front of a buffer, or says [ErrIncomplete];
// [Append] puts one at the end of a buffer. Both hold to the standards strictly,
// so that what one accepts the other could have written. What is wrong is an
// [*Error] that carries the v5 reason code to tell the peer. A packet means the
// same in both versions: 3.1.1 return codes are translated to v5 reasons and
// back, and properties are left out when the version has none. Binary fields of a
// decoded packet (payloads, passwords, correlation data) alias the buffer; strings
// are copies. A [Decoder] kept for a connection reuses its PUBLISH, so a device
// that publishes to one topic costs no allocation.
//
// # Sessions
//
// [Server] and [Client] are the two ends of one connection, one value for each
// connection. They have the same shape:
//
//	for {
//		n, ev, err := s.Feed(now, buf)   // consumes up to and including one event
//		buf = buf[n:]
//		switch ev := ev.(type) { ... }   // nil: everything fed was consumed or is incomplete
//		conn.Write(s.Output(nil))        // until nothing comes; last words too
//	}
//
// Feed stops at the first thing the application must know and returns it, so
// there is no queue of events and no callback, and an application that falls
// behind simply stops feeding. An event is valid until the next Feed, and so is
// the buffer it aliases. Bytes that were not consumed must be presented again
// with more behind them; [Size] tells how large a buffer the packet needs. After
// an event Feed is called again, if only with an empty buffer.
//
// The application of a server answers a [*Connect] with [Server.Accept] or
// [Server.Refuse], and a [*Subscribe] or [*Unsubscribe] with [Server.Suback] or
// [Server.Unsuback]. What follows a CONNECT waits for its answer. A client asks
// with [Client.Subscribe] and [Client.Unsubscribe].
//
// Either side leaves with Disconnect, which can name another server. After an
// error the session is closed and Output has the DISCONNECT or CONNACK that tells
// the peer why. Methods of one session must not be called at the same time: the
// owner has a lock around them, as it has around the socket.
//
// Deadline is when Tick is due, so one timer for a session is enough: a server's
// finds out that a client has been silent for one and a half times its keep alive
// time (or has not sent CONNECT within 10 seconds), a client's sends pings and
// finds out that the server is silent. The time during which a server's session
// is Blocked does not count.
//
// Packet size, receive maximum and topic aliases are kept to on both sides: what
// this side takes is in [Config], what the peer takes it has told, and Publish
// refuses what it would not. Topic aliases are used without the application
// noticing. Enhanced authentication is not offered.
//
// # Acknowledgement
//
// A QoS 1 or 2 message is acknowledged when the application says Ack, which may
// be much later and in any order; the acknowledgements leave in the order in
// which the messages came. So an acknowledged message is one whose handler has
// completed. The number of messages waiting for Ack is bounded by the receive
// maximum: a v5 peer that exceeds it is disconnected, a 3.1.1 peer, which cannot
// know it, is not read from until there is room (Blocked).
//
// The other way, Publish keeps a QoS 1 or 2 message, sends it when the peer's
// receive maximum allows, and reports it as [Delivered] when the peer has
// acknowledged. Messages leave in the order of Publish. The message is not
// copied; the caller leaves its payload and properties alone until then.
//
// # Between connections
//
// State ends a session and returns what outlives it, a [State]: unacknowledged
// messages with their packet identifiers, and the identifiers of QoS 2 messages
// that must not be delivered again. The next connection's session takes it up. If
// the peer still has its half (session present), messages are repeated with DUP
// and QoS 2 handshakes go on where they were; if not, the unacknowledged messages
// are sent as new ones, and those that the peer has but had not released are
// reported as Delivered. Messages with QoS 0 and requests for subscriptions end
// with the connection.
//
// Either way packet identifiers stay what Publish returned, so Delivered events
// can be matched across connections. A QoS 1 message whose Ack had not been sent
// comes again from the peer, so its Ack is good for the session in which it came
// only; a QoS 2 message does not, and its Ack is then due at the new session.
//
// # Cost
//
// An idle server session is below half a KiB, and holds no buffer: output goes
// to a buffer the owner lends, input stays the owner's. See TestServerIsSmall.
package mqtt
