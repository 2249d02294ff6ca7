package session

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// filter is a subscription.
type filter struct {
	text string
	qos  byte
}

func (s *Session) subscribe(now tandem.Now, p *mqtt.Subscribe) {
	codes := make([]mqtt.Reason, len(p.Filters))
	for i, f := range p.Filters {
		codes[i] = s.grant(f, p.Props)
		if codes[i].Failed() {
			s.complain("the device's subscription is refused: "+codes[i].String(), "filter", f.Filter)
		}
	}
	if slices.Contains(codes, mqtt.QuotaExceeded) {
		s.notices = append(s.notices, Notice{Over: tandem.OverSubscriptions})
	}
	s.must(s.mqtt.Suback(p.PacketID, codes...))
	if len(s.filters) == 0 || s.leaving {
		return
	}
	if !s.subscribed {
		s.subscribed = true
		said := fmt.Appendf(nil, `{"time":%q}`, now.Wall.UTC().Format(time.RFC3339Nano))
		s.put(&outgoing{"sys/time", tandem.Message{Data: said}}, true)
	}
	s.sendWaiting()
}

// grant adds a subscription and returns its code: the QoS, or the reason of a refusal.
func (s *Session) grant(f mqtt.Subscription, p *mqtt.Properties) mqtt.Reason {
	shared, _ := mqtt.Shared(f.Filter)
	switch {
	case shared && s.v5:
		return mqtt.SharedSubscriptionsNotSupported
	case p != nil && len(p.SubscriptionIDs) > 0:
		return mqtt.SubscriptionIDsNotSupported
	case !strings.HasPrefix(f.Filter, "device/") && !strings.HasPrefix(f.Filter, "sys/"):
		return mqtt.NotAuthorized
	}
	granted := filter{text: f.Filter, qos: min(f.QoS, 1)}
	for i := range s.filters {
		if s.filters[i].text == f.Filter {
			s.filters[i] = granted
			return mqtt.Reason(granted.qos)
		}
	}
	size := len(f.Filter)
	for i := range s.filters {
		size += len(s.filters[i].text)
	}
	if len(s.filters) >= MaxFilters || size > FilterBytes {
		return mqtt.QuotaExceeded
	}
	s.filters = append(s.filters, granted)
	return mqtt.Reason(granted.qos)
}

func (s *Session) unsubscribe(p *mqtt.Unsubscribe) {
	codes := make([]mqtt.Reason, len(p.Filters))
	for i, text := range p.Filters {
		codes[i] = mqtt.NoSubscriptionExisted
		for j := range s.filters {
			if s.filters[j].text == text {
				s.filters = append(s.filters[:j], s.filters[j+1:]...)
				codes[i] = mqtt.Success
				break
			}
		}
	}
	s.must(s.mqtt.Unsuback(p.PacketID, codes...))
}

// subscription returns the QoS of messages on topic, and whether the device has
// subscribed to it.
func (s *Session) subscription(topic string) (qos byte, ok bool) {
	for i := range s.filters {
		if f := &s.filters[i]; (!ok || f.qos > qos) && mqtt.Match(f.text, topic) {
			qos, ok = f.qos, true
		}
	}
	return qos, ok
}
