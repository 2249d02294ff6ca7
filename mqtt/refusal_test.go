package mqtt

import (
	"testing"
)

// TestPublishRefused: what a peer has said that it does not take is not sent, and
// neither is what only the session may choose.
func TestPublishRefused(t *testing.T) {
	s := NewServer(t0, &Config{MaxPacketSize: 100})
	c, err := NewClient(t0, nil, &Connect{Version: V5, ClientID: "a", CleanStart: true}, nil)
	must(t, err)
	feed(t, t0, s, drain(c))
	must(t, s.Accept(t0, &Properties{MaximumQoS: Some[byte](1), RetainAvailable: Some[byte](0)}, nil))
	feed(t, t0, c, drain(s))
	for _, tc := range []struct {
		name string
		p    Publish
		code Reason
	}{
		{"QoS 2", Publish{Topic: "a", QoS: 2}, QoSNotSupported},
		{"retained", Publish{Topic: "a", Retain: true}, RetainNotSupported},
		{"alias", Publish{Topic: "a", Props: &Properties{TopicAlias: Some[uint16](1)}}, TopicAliasInvalid},
		{"subscription identifier", Publish{Topic: "a", Props: &Properties{SubscriptionIDs: []uint32{1}}}, ProtocolError},
		{"large", Publish{Topic: "a", Payload: make([]byte, 100)}, PacketTooLarge},
		{"no topic", Publish{}, TopicNameInvalid},
	} {
		if _, err := c.Publish(&tc.p); ReasonOf(err) != tc.code || err == nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.code)
		}
		if got := drain(c); len(got) > 0 {
			t.Errorf("%s: said % x", tc.name, got)
		}
	}
	if id := publish(t, c, &Publish{Topic: "a", PacketID: 9, Dup: true}); id != 0 {
		t.Errorf("a message of QoS 0 has the identifier %d", id)
	}
	if id := publish(t, c, &Publish{Topic: "a", QoS: 1, PacketID: 9, Dup: true}); id == 0 || id == 9 {
		t.Errorf("the session has not chosen the identifier %d", id)
	}
	says(t, c, "30 04 0001 61 00"+"32 06 0001 61 0002 00")
}

// TestNewClientRefuses: a client is not made of what cannot be said.
func TestNewClientRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Connect
		code Reason
	}{
		{"no version", Connect{}, UnsupportedVersion},
		{"password only", Connect{Version: V311, HasPassword: true}, ProtocolError},
		{"not UTF-8", Connect{Version: V5, ClientID: "\xff"}, MalformedPacket},
		{"authentication", Connect{Version: V5, Props: &Properties{AuthMethod: "x"}}, BadAuthMethod},
	} {
		if c, err := NewClient(t0, nil, &tc.c, nil); c != nil || err == nil || ReasonOf(err) != tc.code {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.code)
		}
	}
}

// TestCodesForFilters: an answer to a request has a code for each filter; that of
// 3.1.1 to UNSUBSCRIBE has none at all.
func TestCodesForFilters(t *testing.T) {
	subscribe := func(c *Client) (uint16, error) { return c.Subscribe(Subscription{Filter: "a"}) }
	unsubscribe := func(c *Client) (uint16, error) { return c.Unsubscribe("a", "b") }
	for _, tc := range []struct {
		name   string
		v      Version
		ask    func(c *Client) (uint16, error)
		answer string // after the packet identifier 1
		ok     bool
	}{
		{"one of one", V5, subscribe, "90 04 0001 00 00", true},
		{"two of one", V5, subscribe, "90 05 0001 00 00 00", false},
		{"two of one, 3.1.1", V311, subscribe, "90 04 0001 00 00", false},
		{"one of one, 3.1.1", V311, subscribe, "90 03 0001 00", true},
		{"unsubscribed", V5, unsubscribe, "b0 05 0001 00 00 00", true},
		{"unsubscribed from half", V5, unsubscribe, "b0 04 0001 00 00", false},
		{"unsubscribed, 3.1.1", V311, unsubscribe, "b0 02 0001", true},
	} {
		c, err := NewClient(t0, nil, &Connect{Version: tc.v, ClientID: "a", CleanStart: true}, nil)
		must(t, err)
		drain(c)
		connack := "20 03 00 00 00"
		if tc.v < V5 {
			connack = "20 02 00 00"
		}
		feed(t, t0, c, unhex(t, connack))
		if id, err := tc.ask(c); err != nil || id != 1 {
			t.Fatal(id, err)
		}
		drain(c)
		if _, _, err := c.Feed(t0, unhex(t, tc.answer)); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
