package record

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Post is a message of an agent that is kept until its device has handled it.
type Post struct {
	Seq  uint64 // the store's own number, which only grows
	Name string
	Data []byte // in the compact encoding

	// Cause is the mark of the device's message that the agent was handling, zero
	// when it was handling none. Nth counts the posts made in that handler, from 1.
	// An agent that is lost before the message is acknowledged handles it again;
	// Cause and Nth show that its posts have already been made.
	Cause tandem.Mark
	Nth   uint32
}

// Size returns the size in bytes that counts against tandem.PostsSize.
func (p Post) Size() int { return len(p.Name) + len(p.Data) }

// Posting is the state of the numbering of an agent's posts.
type Posting struct {
	Last  uint64      // the number of the newest post; 0: there has been none
	Cause tandem.Mark // the newest cause of a post; zero: no post had a cause
	Nth   uint32      // of the newest post with that cause
}

// Repeats reports whether a post was made before. Then it gets the number that it
// got the first time, or 0 when the device has handled it since.
func (p Posting) Repeats(post Post) bool {
	if post.Cause.Boot == 0 {
		return false
	}
	return p.Cause.After(post.Cause) || p.Cause == post.Cause && p.Nth >= post.Nth
}

// Next returns the numbering after a post that is no repetition. Last is the
// number of that post.
//
// A device remembers the newest number that it has handled. If it gets another
// agent, or the database goes back in time, later numbers must not be smaller, so a
// number is at least the time.
func (p Posting) Next(post Post, now time.Time) Posting {
	p.Last = max(p.Last+1, uint64(now.UnixMilli()))
	if post.Cause.Boot != 0 {
		p.Cause, p.Nth = post.Cause, post.Nth
	}
	return p
}

// Room returns an error when a post would exceed the limits together with the
// posts that already wait for the device.
func Room(count, bytes int, post Post) error {
	switch {
	case count >= tandem.PostsKept:
		return tandem.Errorf(tandem.Limit, "%d messages wait for the device already", count)
	case bytes+post.Size() > tandem.PostsSize:
		return tandem.Errorf(tandem.Limit, "messages of %d KB wait for the device already", bytes>>10)
	}
	return nil
}
