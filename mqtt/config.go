package mqtt

// Config has the limits of a session. Sessions may share one. The zero value is suitable
// for a device link.
type Config struct {
	// ReceiveMaximum limits the messages of the peer that wait for Ack; 0 = 64. Raise it for
	// slow handlers and links with a long latency.
	ReceiveMaximum uint16
	// MaxPacketSize limits packets of the peer, in bytes; 0 = 260 KiB, enough for a message
	// of 256 KiB.
	MaxPacketSize int
	// TopicAliases limits the v5 topic aliases of the peer; 0 = none. Each takes the memory
	// of its topic until the connection ends.
	TopicAliases uint16
	// QueueLength limits our messages that are unacknowledged or unsent; beyond it Publish
	// returns ErrQueueFull; 0 = 256.
	QueueLength int
}

func (c *Config) receiveMaximum() uint16 {
	if c.ReceiveMaximum == 0 {
		return 64
	}
	return c.ReceiveMaximum
}

func (c *Config) maxPacketSize() int {
	if c.MaxPacketSize == 0 {
		return 260 << 10
	}
	return c.MaxPacketSize
}

func (c *Config) queueLength() int {
	if c.QueueLength == 0 {
		return 256
	}
	return c.QueueLength
}

// properties adds to props the limits that a v5 peer must know.
func (c *Config) properties(props *Properties) *Properties {
	p := *props.given()
	p.ReceiveMaximum = Some(c.receiveMaximum())
	p.MaximumPacketSize = Some(uint32(c.maxPacketSize()))
	p.TopicAliasMaximum = Opt[uint16]{Value: c.TopicAliases, Set: c.TopicAliases > 0}
	return &p
}
