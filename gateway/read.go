package gateway

import "io"

// raw is a connection that can be read and written without waiting and without
// a buffer while there is nothing to read.
type raw interface {
	// fill waits until something can be read and reads it into c.in, which is
	// nil before if there was nothing in it.
	fill() error
	// write writes what the socket takes at once.
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
	// A packet has two bytes at least, so the next read has some to find.
	n, err := c.nc.Read(c.one[:])
	if n == 1 {
		c.in = takeChunk()
		c.in.buf = append(c.in.buf, c.one[0])
		return nil
	}
	return orNil(n, err)
}

// minRead is the least room for a read.
const minRead = 512

// orNil puts off an error that comes with data: the next read has it again.
func orNil(n int, err error) error {
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
