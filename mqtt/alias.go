package mqtt

const (
	ownAliases  = 8 // limit of the topic aliases that we use, where the peer allows them
	aliasedFrom = 8 // bytes; shorter topics get no alias
)

// aliases are the topics with an alias on this connection; alias 1 is at index 0.
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

// resolve sets the topic of a PUBLISH that has only an alias, or stores a new alias. It
// removes the alias from p, because it has no meaning for the application.
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

// appendAliased appends a message with a topic alias, if it can have one. The first
// topics of a connection get the aliases, because a device uses them most.
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
