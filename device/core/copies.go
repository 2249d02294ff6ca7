package core

import (
	"encoding/json"

	"github.com/tandem-iot/tandem/device/spool"
)

// copies is a file with two copies of something, which are written in turn and in place: one
// is whole whenever the power goes, and a full disk has room for them.
type copies struct {
	name   string
	size   int      // of a copy's place, in bytes
	number uint64   // of the copy that was written last
	made   bool     // the file is there, in its full size
	empty  bool     // and has no good copy
	old    []string // files that this one replaces
}

// Sizes of the places of copies. That of the state has the user configuration and the table
// server.permanent, with 4 and 64 KB, as JSON has them.
const (
	countersSize = 4 << 10
	stateSize    = 96 << 10
)

const recordCopy = 1

// next returns the next copy and where it goes. Where there is no good one it returns the whole
// file, which is to be made unless it is there.
func (k *copies) next(body []byte) (data []byte, offset int64, whole bool) {
	data, offset = k.copy(body)
	if k.made && !k.empty {
		return data, offset, false
	}
	file := make([]byte, 2*k.size)
	copy(file[offset:], data)
	data, offset = k.copy(body)
	copy(file[offset:], data)
	whole = !k.made
	k.made, k.empty = true, false
	return file, 0, whole
}

// copy returns the next copy and where it goes.
func (k *copies) copy(body []byte) (data []byte, offset int64) {
	k.number++
	offset = int64(k.number%2) * int64(k.size)
	data = spool.Append(nil, 0, offset, spool.Record{Kind: recordCopy, Seq: k.number, Body: body})
	if len(data) > k.size {
		panic("core: " + k.name + " is too large")
	}
	return data, offset
}

// failed has the same copy written next, because the other one is the good one, and by the
// other way: the file may be gone, or there may be no room for a new one.
func (k *copies) failed() {
	k.number--
	k.made = !k.made
}

// verdict is what a start finds of a file with copies.
type verdict uint8

const (
	good     verdict = iota
	fallback         // one copy is damaged, perhaps the newer one
	lost             // both are
)

// read reads the newest copy.
func (k *copies) read(data []byte, into any) verdict {
	k.made = len(data) == 2*k.size
	var body []byte
	found := 0
	for i := range 2 {
		begin := min(len(data), i*k.size)
		place := data[begin:min(len(data), begin+k.size)]
		f, ok := spool.Next(place, 0, int64(begin))
		if !ok || f.Begin != 0 || f.Damaged || !f.Complete(place) {
			continue
		}
		found++
		if f.Seq > k.number {
			k.number, body = f.Seq, f.Body
		}
	}
	if body == nil || json.Unmarshal(body, into) != nil {
		k.empty = true
		return lost
	}
	if found < 2 {
		return fallback
	}
	return good
}
