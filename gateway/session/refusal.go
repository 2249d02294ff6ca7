package session

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// deny notes a refusal of the host until the message is acknowledged.
func (s *Session) deny(data []byte) {
	var r tandem.Refusal
	if err := json.Unmarshal(data, &r); err != nil {
		s.note(Error, "a refusal of the host is invalid", "err", err)
		return
	}
	i := s.find(r.Seq)
	if i < 0 || s.handling[i].id == 0 {
		return // it is acknowledged already, or cannot be
	}
	if s.refused == nil {
		s.refused = map[uint16]tandem.Mark{}
	}
	// The parts of a batch have its identifier, and it is refused as a whole.
	s.refused[s.handling[i].id] = r.Newest
}

// acknowledge answers a message, or a batch. A refused one gets a failure code: a number that is not above the
// newest is that of a repetition or was given away before, and only the device knows which.
func (s *Session) acknowledge(id uint16) {
	newest, refused := s.refused[id]
	if !refused {
		s.must(s.mqtt.Ack(id, mqtt.Success))
		return
	}
	if delete(s.refused, id); len(s.refused) == 0 {
		s.refused = nil
	}
	s.must(s.mqtt.AckWith(id, mqtt.ImplementationError, &mqtt.Properties{
		ReasonString: fmt.Sprintf("not handled: its number is not above %d/%d; a message sent again was handled before",
			newest.Boot, newest.Seq),
		User: []mqtt.UserProperty{
			{Key: "boot", Value: strconv.FormatUint(newest.Boot, 10)},
			{Key: "seq", Value: strconv.FormatUint(newest.Seq, 10)},
		},
	}))
}
