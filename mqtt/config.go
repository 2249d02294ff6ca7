package mqtt

// Config has the limits of a session. Sessions may share one; the zero value is
// good for a device link.
type Config struct {
	// ReceiveMaximum is how many messages of the peer may wait for Ack; 0 = 64.
	// Raise it when handlers are slow and the link is long.
	ReceiveMaximum uint16
	// MaxPacketSize is the largest packet taken, in bytes; 0 = 260 KiB, room for a
	// message of 256 KiB.
	MaxPacketSize int
	// TopicAliases is how many v5 topic aliases the peer may use; 0 = none. Each
	// costs the memory of its topic while the connection lasts.
	TopicAliases uint16
	// QueueLength is how many messages of ours may be unacknowledged or unsent
	// before Publish says ErrQueueFull; 0 = 256.
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

// properties adds to props what a v5 peer must know of the limits.
func (c *Config) properties(props *Properties) *Properties {
	p := *props.given()
	p.ReceiveMaximum = Some(c.receiveMaximum())
	p.MaximumPacketSize = Some(uint32(c.maxPacketSize()))
	p.TopicAliasMaximum = Opt[uint16]{Value: c.TopicAliases, Set: c.TopicAliases > 0}
	return &p
}
