package logbook

import (
	"hash/maphash"

	"github.com/tandem-iot/tandem"
)

// maxMarks bounds the lines by which a view knows those that come again. A device has at most
// 500 on their way at once.
const maxMarks = 8192

// marks are the newest numbered lines of a view. A device sends a line again whose
// acknowledgement it has not seen. Its agent's node knows such a line, unless that is another
// node by now, or one that was killed: then the line is in the log twice.
type marks struct {
	seen map[marked]bool
	list []marked // in the order in which they were seen; from the next on when it is full
	next int
}

// marked identifies a numbered line. The text belongs to it, for a device that has lost its
// memory may count from 1 again.
type marked struct {
	device tandem.DeviceID
	mark   tandem.Mark
	text   uint64 // hash of its type and its message
}

// seed is of the hashes of texts, which do not leave the process.
var seed = maphash.MakeSeed()

func markedOf(e tandem.LogEntry) marked {
	return marked{e.Device, e.Mark, maphash.Comparable(seed, [2]string{e.Type, e.Msg})}
}

// unrepeated leaves lines out that come again later in the list. The last of them stays: so the
// newest lines of a log are the same ones however many are asked for.
func unrepeated(list []tandem.LogEntry) []tandem.LogEntry {
	seen := map[marked]bool{}
	from := len(list)
	for i := len(list) - 1; i >= 0; i-- {
		if e := list[i]; e.Mark.Boot != 0 {
			line := markedOf(e)
			if seen[line] {
				continue
			}
			seen[line] = true
		}
		from--
		list[from] = list[i]
	}
	return list[from:]
}

// repeats reports whether a line of the view was shown before, and remembers it.
func (m *marks) repeats(e tandem.LogEntry) bool {
	if e.Mark.Boot == 0 {
		return false
	}
	line := markedOf(e)
	if m.seen[line] {
		return true
	}
	if m.seen == nil {
		m.seen = map[marked]bool{}
	}
	m.seen[line] = true
	if len(m.list) < maxMarks {
		m.list = append(m.list, line)
		return false
	}
	delete(m.seen, m.list[m.next])
	m.list[m.next] = line
	m.next = (m.next + 1) % maxMarks
	return false
}
