package mqtt

func (p *Properties) byteField(id byte) *Opt[byte] {
	switch id {
	case propPayloadFormat:
		return &p.PayloadFormat
	case propRequestProblem:
		return &p.RequestProblemInfo
	case propRequestResponse:
		return &p.RequestResponseInfo
	case propMaximumQoS:
		return &p.MaximumQoS
	case propRetainAvailable:
		return &p.RetainAvailable
	case propWildcardAvailable:
		return &p.WildcardAvailable
	case propSubIDAvailable:
		return &p.SubIDAvailable
	default: // propSharedAvailable
		return &p.SharedSubsAvailable
	}
}

func (p *Properties) u16Field(id byte) *Opt[uint16] {
	switch id {
	case propServerKeepAlive:
		return &p.ServerKeepAlive
	case propReceiveMaximum:
		return &p.ReceiveMaximum
	case propTopicAliasMaximum:
		return &p.TopicAliasMaximum
	default: // propTopicAlias
		return &p.TopicAlias
	}
}

func (p *Properties) u32Field(id byte) *Opt[uint32] {
	switch id {
	case propMessageExpiry:
		return &p.MessageExpiry
	case propSessionExpiry:
		return &p.SessionExpiry
	case propWillDelay:
		return &p.WillDelay
	default: // propMaximumPacketSize
		return &p.MaximumPacketSize
	}
}

func (p *Properties) textField(id byte) *string {
	switch id {
	case propContentType:
		return &p.ContentType
	case propResponseTopic:
		return &p.ResponseTopic
	case propAssignedClientID:
		return &p.AssignedClientID
	case propAuthMethod:
		return &p.AuthMethod
	case propResponseInfo:
		return &p.ResponseInfo
	case propServerReference:
		return &p.ServerReference
	default: // propReasonString
		return &p.ReasonString
	}
}

func (p *Properties) dataField(id byte) *[]byte {
	if id == propCorrelationData {
		return &p.CorrelationData
	}
	return &p.AuthData
}

// checkNumber returns the reason why a number is invalid, "" if it is valid.
func checkNumber(id byte, kind propKind, v uint32) (Reason, string) {
	switch {
	case kind == kindByte && v > 1:
		return ProtocolError, "a property is neither 0 nor 1"
	case id == propTopicAlias && v == 0:
		return TopicAliasInvalid, "topic alias is 0"
	case v == 0 && (id == propReceiveMaximum || id == propMaximumPacketSize || id == propSubscriptionID):
		return ProtocolError, "a property that may not be 0 is 0"
	}
	return Success, ""
}

func checkText(id byte, s string) (Reason, string) {
	switch {
	case id == propResponseTopic && !ValidTopic(s):
		return ProtocolError, "response topic is not a topic name"
	case id == propAuthMethod && s == "":
		return ProtocolError, "authentication method is empty"
	}
	return Success, ""
}

// properties reads the property section of a packet of type t, or of a will. It returns
// nil when the section is empty.
func (r *reader) properties(t Type) *Properties {
	section := reader{b: r.take(int(r.varint()))}
	if len(section.b) == 0 {
		return nil
	}
	p := new(Properties)
	var seen uint64
	for len(section.b) > 0 && section.err == nil {
		id := section.u8()
		if id >= propCount || properties[id].use&(1<<t) == 0 {
			section.fail(MalformedPacket, "a property does not belong in "+t.String())
			break
		}
		repeats := id == propUser || id == propSubscriptionID && t == TypePublish
		if seen&(1<<id) != 0 && !repeats {
			section.fail(ProtocolError, "a property stands twice")
			break
		}
		seen |= 1 << id
		section.property(p, id)
	}
	if seen&(1<<propAuthData) != 0 && seen&(1<<propAuthMethod) == 0 {
		section.fail(ProtocolError, "authentication data without a method")
	}
	if section.err != nil && r.err == nil {
		r.err, r.b = section.err, nil
	}
	return p
}

// property reads the value of one property.
func (r *reader) property(p *Properties, id byte) {
	kind := properties[id].kind
	number := func(v uint32) uint32 {
		if code, msg := checkNumber(id, kind, v); msg != "" {
			r.fail(code, msg)
		}
		return v
	}
	switch kind {
	case kindByte:
		*p.byteField(id) = Some(byte(number(uint32(r.u8()))))
	case kindU16:
		*p.u16Field(id) = Some(uint16(number(uint32(r.u16()))))
	case kindU32:
		*p.u32Field(id) = Some(number(r.u32()))
	case kindSubID:
		r.room(len(p.SubscriptionIDs))
		p.SubscriptionIDs = append(p.SubscriptionIDs, number(r.varint()))
	case kindData:
		*p.dataField(id) = r.data()
	case kindUser:
		r.room(len(p.User))
		key := r.text()
		p.User = append(p.User, UserProperty{Key: key, Value: r.text()})
	default: // kindText
		s := r.text()
		if code, msg := checkText(id, s); msg != "" {
			r.fail(code, msg)
		}
		*p.textField(id) = s
	}
}

// properties writes the property section of a packet of type t, or of a will. It
// writes nothing for a version without properties.
func (w *writer) properties(p *Properties, t Type, v Version) {
	if v < V5 {
		return
	}
	mark := w.open()
	if p != nil {
		for id := range byte(propCount) {
			w.property(p, id, t)
		}
		if p.AuthData != nil && p.AuthMethod == "" {
			w.fail(ProtocolError, "authentication data without a method")
		}
		if len(p.SubscriptionIDs) > 1 && t != TypePublish {
			w.fail(ProtocolError, "more than one subscription identifier")
		}
	}
	w.close(mark, 0)
}

// property writes one property if it is there.
func (w *writer) property(p *Properties, id byte, t Type) {
	switch kind := properties[id].kind; kind {
	case kindByte:
		if f := p.byteField(id); f.Set {
			w.number(id, t, uint32(f.Value))
			w.u8(f.Value)
		}
	case kindU16:
		if f := p.u16Field(id); f.Set {
			w.number(id, t, uint32(f.Value))
			w.u16(f.Value)
		}
	case kindU32:
		if f := p.u32Field(id); f.Set {
			w.number(id, t, f.Value)
			w.u32(f.Value)
		}
	case kindSubID:
		w.items(len(p.SubscriptionIDs))
		for _, v := range p.SubscriptionIDs {
			w.number(id, t, v)
			w.varint(v)
		}
	case kindData:
		if f := *p.dataField(id); f != nil {
			w.propertyID(id, t)
			w.data(f)
		}
	case kindUser:
		w.items(len(p.User))
		for _, u := range p.User {
			w.propertyID(id, t)
			w.text(u.Key)
			w.text(u.Value)
		}
	case kindText:
		if s := *p.textField(id); s != "" {
			if code, msg := checkText(id, s); msg != "" {
				w.fail(code, msg)
			}
			w.propertyID(id, t)
			w.text(s)
		}
	}
}

func (w *writer) propertyID(id byte, t Type) {
	if properties[id].use&(1<<t) == 0 {
		w.fail(ProtocolError, "a property does not belong in "+t.String())
	}
	w.u8(id)
}

// number writes the identifier of a numeric property and checks its value.
func (w *writer) number(id byte, t Type, v uint32) {
	if code, msg := checkNumber(id, properties[id].kind, v); msg != "" {
		w.fail(code, msg)
	}
	if v > maxRemaining && id == propSubscriptionID {
		w.fail(ProtocolError, "subscription identifier is too large")
	}
	w.propertyID(id, t)
}
