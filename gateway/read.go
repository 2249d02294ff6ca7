package gateway

import "io"

// raw is a connection that can be written without waiting, and read without holding
// a buffer while there is nothing to read.
type raw interface {
	// fill waits until something can be read and reads it into c.in, which may be nil
	// before if it is empty.
	fill() error
	// write writes as much as the socket takes at once.
	write(b []byte) (n int, err error)
}

// read waits for bytes and appends them to c.in. It holds no buffer while it
// waits for the beginning of a packet.
func (c *conn) read() error {
	if c.raw != nil {
		return c.raw.fill()
	}
	if c.in != nil {
		n, err := c.nc.Read(c.in.room(minRead))
		c.in.grow(n)
		return orNil(n, err)
	}
	// A packet has at least two bytes, so the next read finds some.
	n, err := c.nc.Read(c.one[:])
	if n == 1 {
		c.in = takeChunk()
		c.in.buf = append(c.in.buf, c.one[0])
		return nil
	}
	return orNil(n, err)
}

// minRead is the least room for a read, in bytes.
const minRead = 512

// orNil drops an error that comes with data, because the next read returns it again.
func orNil(n int, err error) error {
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
