package mqtt

import (
	"errors"
	"fmt"
)

// Reason is a v5 reason code. 3.1.1 codes are translated.
type Reason uint8

const (
	Success                Reason = 0x00 // also: normal disconnection, granted QoS 0
	GrantedQoS1            Reason = 0x01
	GrantedQoS2            Reason = 0x02
	DisconnectWithWill     Reason = 0x04
	NoMatchingSubscribers  Reason = 0x10
	NoSubscriptionExisted  Reason = 0x11
	ContinueAuthentication Reason = 0x18
	ReAuthenticate         Reason = 0x19

	UnspecifiedError                Reason = 0x80
	MalformedPacket                 Reason = 0x81
	ProtocolError                   Reason = 0x82
	ImplementationError             Reason = 0x83
	UnsupportedVersion              Reason = 0x84
	ClientIDInvalid                 Reason = 0x85
	BadCredentials                  Reason = 0x86
	NotAuthorized                   Reason = 0x87
	ServerUnavailable               Reason = 0x88
	ServerBusy                      Reason = 0x89
	Banned                          Reason = 0x8A
	ShuttingDown                    Reason = 0x8B
	BadAuthMethod                   Reason = 0x8C
	KeepAliveTimeout                Reason = 0x8D
	SessionTakenOver                Reason = 0x8E
	TopicFilterInvalid              Reason = 0x8F
	TopicNameInvalid                Reason = 0x90
	PacketIDInUse                   Reason = 0x91
	PacketIDNotFound                Reason = 0x92
	ReceiveMaximumExceeded          Reason = 0x93
	TopicAliasInvalid               Reason = 0x94
	PacketTooLarge                  Reason = 0x95
	MessageRateTooHigh              Reason = 0x96
	QuotaExceeded                   Reason = 0x97
	AdministrativeAction            Reason = 0x98
	PayloadFormatInvalid            Reason = 0x99
	RetainNotSupported              Reason = 0x9A
	QoSNotSupported                 Reason = 0x9B
	UseAnotherServer                Reason = 0x9C
	ServerMoved                     Reason = 0x9D
	SharedSubscriptionsNotSupported Reason = 0x9E
	ConnectionRateExceeded          Reason = 0x9F
	MaximumConnectTime              Reason = 0xA0
	SubscriptionIDsNotSupported     Reason = 0xA1
	WildcardsNotSupported           Reason = 0xA2
)

// Failed reports whether the code is a failure.
func (r Reason) Failed() bool { return r >= 0x80 }

func (r Reason) String() string {
	if name := reasons[r].name; name != "" {
		return name
	}
	return fmt.Sprintf("reason 0x%02X", uint8(r))
}

// Packets in which a code is allowed, one bit for each packet type.
const (
	inConnack    = 1 << TypeConnack
	inPuback     = 1<<TypePuback | 1<<TypePubrec
	inPubrel     = 1<<TypePubrel | 1<<TypePubcomp
	inSuback     = 1 << TypeSuback
	inUnsuback   = 1 << TypeUnsuback
	inDisconnect = 1 << TypeDisconnect
	inAuth       = 1 << TypeAuth
	inSubs       = inSuback | inUnsuback
	inBoth       = inConnack | inDisconnect
)

var reasons = [256]struct {
	name string
	use  uint16
}{
	Success:                {"success", inBoth | inPuback | inPubrel | inSubs | inAuth},
	GrantedQoS1:            {"granted QoS 1", inSuback},
	GrantedQoS2:            {"granted QoS 2", inSuback},
	DisconnectWithWill:     {"disconnect with will", inDisconnect},
	NoMatchingSubscribers:  {"no matching subscribers", inPuback},
	NoSubscriptionExisted:  {"no subscription existed", inUnsuback},
	ContinueAuthentication: {"continue authentication", inAuth},
	ReAuthenticate:         {"re-authenticate", inAuth},

	UnspecifiedError:                {"unspecified error", inBoth | inPuback | inSubs},
	MalformedPacket:                 {"malformed packet", inBoth},
	ProtocolError:                   {"protocol error", inBoth},
	ImplementationError:             {"implementation error", inBoth | inPuback | inSubs},
	UnsupportedVersion:              {"unsupported protocol version", inConnack},
	ClientIDInvalid:                 {"client identifier not valid", inConnack},
	BadCredentials:                  {"bad user name or password", inConnack},
	NotAuthorized:                   {"not authorized", inBoth | inPuback | inSubs},
	ServerUnavailable:               {"server unavailable", inConnack},
	ServerBusy:                      {"server busy", inBoth},
	Banned:                          {"banned", inConnack},
	ShuttingDown:                    {"server shutting down", inDisconnect},
	BadAuthMethod:                   {"bad authentication method", inBoth},
	KeepAliveTimeout:                {"keep alive timeout", inDisconnect},
	SessionTakenOver:                {"session taken over", inDisconnect},
	TopicFilterInvalid:              {"topic filter invalid", inDisconnect | inSubs},
	TopicNameInvalid:                {"topic name invalid", inBoth | inPuback},
	PacketIDInUse:                   {"packet identifier in use", inPuback | inSubs},
	PacketIDNotFound:                {"packet identifier not found", inPubrel},
	ReceiveMaximumExceeded:          {"receive maximum exceeded", inDisconnect},
	TopicAliasInvalid:               {"topic alias invalid", inDisconnect},
	PacketTooLarge:                  {"packet too large", inBoth},
	MessageRateTooHigh:              {"message rate too high", inDisconnect},
	QuotaExceeded:                   {"quota exceeded", inBoth | inPuback | inSuback},
	AdministrativeAction:            {"administrative action", inDisconnect},
	PayloadFormatInvalid:            {"payload format invalid", inBoth | inPuback},
	RetainNotSupported:              {"retain not supported", inBoth},
	QoSNotSupported:                 {"QoS not supported", inBoth},
	UseAnotherServer:                {"use another server", inBoth},
	ServerMoved:                     {"server moved", inBoth},
	SharedSubscriptionsNotSupported: {"shared subscriptions not supported", inDisconnect | inSuback},
	ConnectionRateExceeded:          {"connection rate exceeded", inBoth},
	MaximumConnectTime:              {"maximum connect time", inDisconnect},
	SubscriptionIDsNotSupported:     {"subscription identifiers not supported", inDisconnect | inSuback},
	WildcardsNotSupported:           {"wildcard subscriptions not supported", inDisconnect | inSuback},
}

// ValidIn reports whether the code is allowed in a packet of type t.
func (r Reason) ValidIn(t Type) bool { return reasons[r].use&(1<<t) != 0 }

// connack311 lists the v5 meaning of each 3.1.1 CONNACK return code.
var connack311 = [...]Reason{
	Success, UnsupportedVersion, ClientIDInvalid, ServerUnavailable, BadCredentials,
	NotAuthorized,
}

// returnCode returns the 3.1.1 CONNACK return code nearest to r.
func (r Reason) returnCode() byte {
	for code, reason := range connack311 {
		if r == reason {
			return byte(code)
		}
	}
	switch r {
	case BadAuthMethod, Banned:
		return 5
	}
	return 3
}

// Error is a violation of the protocol, in a packet of the peer or in one that the
// application wants to send.
type Error struct {
	Code Reason
	Msg  string
}

func (e *Error) Error() string { return "mqtt: " + e.Code.String() + ": " + e.Msg }

// ReasonOf returns the reason code to send to the peer for err.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return UnspecifiedError
}

var (
	// ErrIncomplete says that the buffer holds only the beginning of a packet.
	ErrIncomplete = errors.New("mqtt: incomplete packet")
	// ErrClosed says that the session has ended.
	ErrClosed = errors.New("mqtt: session closed")
	// ErrNotConnected says that the session has not yet begun.
	ErrNotConnected = errors.New("mqtt: not connected")
	// ErrQueueFull says that too many messages are unacknowledged.
	ErrQueueFull = errors.New("mqtt: queue of outgoing messages is full")
	// ErrUnknownPacket says that no message with this identifier waits for Ack.
	ErrUnknownPacket = errors.New("mqtt: no such packet identifier")
	// ErrTimeout says that the peer has been silent for too long.
	ErrTimeout = errors.New("mqtt: peer is silent")
)
