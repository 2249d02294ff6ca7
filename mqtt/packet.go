package mqtt

// Version is a protocol level.
type Version uint8

const (
	V311 Version = 4
	V5   Version = 5
)

// Type is the type of a packet.
type Type uint8

const (
	TypeConnect Type = 1 + iota
	TypeConnack
	TypePublish
	TypePuback
	TypePubrec
	TypePubrel
	TypePubcomp
	TypeSubscribe
	TypeSuback
	TypeUnsubscribe
	TypeUnsuback
	TypePingreq
	TypePingresp
	TypeDisconnect
	TypeAuth
)

var typeNames = [16]string{
	"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

func (t Type) String() string { return typeNames[t&15] }

// Packet is one of *Connect, *Connack, *Publish, *Ack, *Subscribe, *Suback,
// *Unsubscribe, *Unsuback, *Ping, *Disconnect and *Auth.
type Packet interface {
	Type() Type
}

// Event is what Feed reports: one of *Connect, *Connack, *Publish, *Delivered,
// *Subscribe, *Suback, *Unsubscribe, *Unsuback and *Disconnect.
type Event interface {
	event()
}

// Connect is the first packet of a client.
type Connect struct {
	Version     Version
	CleanStart  bool   // clean session in 3.1.1
	KeepAlive   uint16 // seconds, 0 = none
	ClientID    string
	HasUsername bool
	HasPassword bool
	Username    string
	Password    []byte
	Will        *Will       // nil = none
	Props       *Properties // nil = none
}

// Will is the message that the server publishes when a client's connection breaks.
type Will struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Props   *Properties
}

// Connack answers a Connect.
type Connack struct {
	SessionPresent bool
	Code           Reason
	Props          *Properties
}

// Publish is a message, in either direction.
type Publish struct {
	Topic    string
	Payload  []byte
	Props    *Properties
	PacketID uint16 // 0 when QoS is 0
	QoS      byte
	Retain   bool
	Dup      bool
}

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP.
type Ack struct {
	Kind     Type
	Code     Reason
	PacketID uint16
	Props    *Properties
}

// Subscribe is a request for subscriptions.
type Subscribe struct {
	PacketID uint16
	Filters  []Subscription
	Props    *Properties
}

// Subscription is one topic filter of a Subscribe. All but Filter and QoS are v5.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// Suback answers a Subscribe, one code for each filter.
type Suback struct {
	PacketID uint16
	Codes    []Reason
	Props    *Properties
}

// Unsubscribe ends subscriptions.
type Unsubscribe struct {
	PacketID uint16
	Filters  []string
	Props    *Properties
}

// Unsuback answers an Unsubscribe, one code for each filter; none in 3.1.1.
type Unsuback struct {
	PacketID uint16
	Codes    []Reason
	Props    *Properties
}

// Ping is a PINGREQ or PINGRESP.
type Ping struct {
	Response bool
}

// Disconnect is the last packet of either side; only of the client in 3.1.1.
type Disconnect struct {
	Code  Reason
	Props *Properties
}

// Clean reports whether the peer left of its own accord, without having its will
// published.
func (p *Disconnect) Clean() bool { return p.Code == Success }

// Auth is a step of v5 enhanced authentication.
type Auth struct {
	Code  Reason
	Props *Properties
}

// Delivered reports that the peer has answered a message of ours: it has received it,
// or, if Code.Failed(), it has refused it or the message could not be sent.
type Delivered struct {
	PacketID uint16
	Code     Reason
}

func (*Connect) Type() Type     { return TypeConnect }
func (*Connack) Type() Type     { return TypeConnack }
func (*Publish) Type() Type     { return TypePublish }
func (p *Ack) Type() Type       { return p.Kind }
func (*Subscribe) Type() Type   { return TypeSubscribe }
func (*Suback) Type() Type      { return TypeSuback }
func (*Unsubscribe) Type() Type { return TypeUnsubscribe }
func (*Unsuback) Type() Type    { return TypeUnsuback }
func (*Disconnect) Type() Type  { return TypeDisconnect }
func (*Auth) Type() Type        { return TypeAuth }

func (p *Ping) Type() Type {
	if p.Response {
		return TypePingresp
	}
	return TypePingreq
}

func (*Connect) event()     {}
func (*Connack) event()     {}
func (*Publish) event()     {}
func (*Subscribe) event()   {}
func (*Suback) event()      {}
func (*Unsubscribe) event() {}
func (*Unsuback) event()    {}
func (*Disconnect) event()  {}
func (*Delivered) event()   {}
