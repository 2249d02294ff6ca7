package mqtt

const (
	ownAliases  = 8 // topic aliases we use at most, where the peer allows them
	aliasedFrom = 8 // bytes; shorter topics are not worth one
)

// aliases are the topics that have a number on this connection; number 1 is at 0.
type aliases struct {
	theirs []string
	ours   []string
}

func (s *session) aliasTable() *aliases {
	if s.aliases == nil {
		s.aliases = new(aliases)
	}
	return s.aliases
}

// resolve gives a PUBLISH with an alias its topic, or the alias its meaning, and
// takes the alias away, which means nothing to the application.
func (s *session) resolve(p *Publish) error {
	alias := int(p.Props.TopicAlias.Value)
	p.Props.TopicAlias = Opt[uint16]{}
	if alias > int(s.cfg.TopicAliases) {
		return &Error{TopicAliasInvalid, "topic alias above the maximum"}
	}
	t := s.aliasTable()
	if p.Topic != "" {
		for len(t.theirs) < alias {
			t.theirs = append(t.theirs, "")
		}
		t.theirs[alias-1] = p.Topic
		return nil
	}
	if alias > len(t.theirs) || t.theirs[alias-1] == "" {
		return &Error{ProtocolError, "topic alias without a topic"}
	}
	p.Topic = t.theirs[alias-1]
	return nil
}

// appendAliased appends a message with a topic alias, if it can have one: the
// first topics of a connection get the few there are, which are those a device
// uses all the time.
func (s *session) appendAliased(dst []byte, p *Publish) ([]byte, bool) {
	if s.dec.Version < V5 || s.peerAliases == 0 || len(p.Topic) < aliasedFrom {
		return dst, false
	}
	t := s.aliasTable()
	at := 0
	for at < len(t.ours) && t.ours[at] != p.Topic {
		at++
	}
	if at == min(ownAliases, int(s.peerAliases)) {
		return dst, false
	}
	props := *p.Props.given()
	props.TopicAlias = Some(uint16(at + 1))
	q := *p
	q.Props = &props
	if at < len(t.ours) {
		q.Topic = ""
	}
	w := writer{b: dst}
	w.publishHead(&q, s.dec.Version)
	if w.err != nil || !s.fits(len(w.b)-len(dst)+len(p.Payload)) {
		return dst, false
	}
	if at == len(t.ours) {
		t.ours = append(t.ours, p.Topic)
	}
	return append(w.b, p.Payload...), true
}
