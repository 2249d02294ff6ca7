// Package mqtt is the protocol of the device link: MQTT 5.0 and 3.1.1, packets
// and sessions, for both ends. It does no I/O, starts no goroutine and reads no
// clock: bytes and the time are arguments, bytes and events are results. The owner of
// the socket decides how to read, write, wait and lock.
//
// # Packets
//
// [Decode] decodes the packet at the front of a buffer, or returns [ErrIncomplete];
// [Append] appends a packet to a buffer. Both follow the standards strictly, so that
// each accepts only what the other could have produced. Errors are of type [*Error],
// with the v5 reason code to send to the peer. A packet means the same in both
// versions: 3.1.1 return codes are translated to v5 reasons and back, and properties
// are left out in 3.1.1. Binary fields of a decoded packet (payloads, passwords,
// correlation data) alias the buffer; strings are copies. A [Decoder] kept for a
// connection reuses its PUBLISH, so that a device that publishes to one topic costs no
// allocation.
//
// # Sessions
//
// [Server] and [Client] are the two ends of one connection. Each connection needs a new
// value. Both have the same methods:
//
//	for {
//		n, ev, err := s.Feed(now, buf)   // consumes up to and including one event
//		buf = buf[n:]
//		switch ev := ev.(type) { ... }   // nil: everything fed was consumed or is incomplete
//		conn.Write(s.Output(nil))        // until it returns nothing; also after the end
//	}
//
// Feed stops at the first event and returns it. So there is no queue of events and no
// callback, and an application that falls behind stops feeding. An event is valid until
// the next Feed, as is the buffer that it aliases. Bytes that were not consumed must be
// fed again followed by more; [Size] tells how large a buffer the packet needs. After an
// event Feed must be called again, even with an empty buffer.
//
// The application of a server answers a [*Connect] with [Server.Accept] or
// [Server.Refuse], and a [*Subscribe] or [*Unsubscribe] with [Server.Suback] or
// [Server.Unsuback]. Packets after a CONNECT wait for its answer. A client sends requests
// with [Client.Subscribe] and [Client.Unsubscribe].
//
// Either side ends a session with Disconnect, which can name another server. After an
// error the session is closed, and Output returns the DISCONNECT or CONNACK with the
// reason. Methods of one session must not be called concurrently: the owner guards them
// and the socket with a lock.
//
// Deadline returns when Tick is due, so that a session needs only one timer. A server
// ends the session when a client has been silent for one and a half times its keep
// alive time, or has not sent CONNECT within five minutes. A client sends pings, and ends
// the session when the server is silent. The time during which a server's session is
// Blocked does not count.
//
// Both sides keep to limits of packet size, receive maximum and topic aliases: those of
// this side are in [Config], the peer has announced its own, and Publish refuses a
// message beyond them. Topic aliases are used without the application's involvement.
// Enhanced authentication is not supported.
//
// # Acknowledgement
//
// A QoS 1 or 2 message is acknowledged when the application calls Ack, which may be much
// later and in any order; the acknowledgements are sent in the order of the messages. So
// the handler of an acknowledged message has completed. The receive maximum limits the
// number of messages that wait for Ack: a v5 peer that exceeds it is disconnected; from
// a 3.1.1 peer, which cannot know it, nothing is read until there is room (Blocked).
//
// In the other direction, Publish keeps a QoS 1 or 2 message, sends it when the peer's
// receive maximum allows, and reports it as [Delivered] when the peer has acknowledged
// it. Messages are sent in the order of Publish. The message is not copied: the caller
// must not change its payload and properties until then.
//
// # Between connections
//
// State ends a session and returns the part to keep, a [State]: unacknowledged messages
// with their packet identifiers, and the identifiers of QoS 2 messages that must not be
// delivered again. The session of the next connection continues it. If the peer has
// kept its half (session present), messages are repeated with DUP and QoS 2 handshakes
// are continued. If not, the unacknowledged messages are sent as new ones, and those
// that the peer has received but not released are reported as Delivered. Messages with
// QoS 0 and requests for subscriptions end with the connection.
//
// In both cases packet identifiers stay those returned by Publish, so that Delivered
// events can be matched across connections. The peer sends a QoS 1 message again if its
// Ack had not been sent, so an Ack is valid only in the session in which the message
// arrived. A QoS 2 message is not sent again, and its Ack is then due in the new
// session.
//
// # Cost
//
// An idle server session takes less than half a KiB and holds no buffer: the owner
// provides the buffers for output and input. See TestServerIsSmall.
package mqtt
