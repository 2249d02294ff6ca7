package mqtt

import (
	"strings"
	"testing"
)

// TestAckWith: a refusal has its properties where the version has them and the peer wants and takes them, and
// never those of another message.
func TestAckWith(t *testing.T) {
	reason := &Properties{ReasonString: "no", User: []UserProperty{{Key: "boot", Value: "5"}}}
	const bare = "40 03 0001 83"
	for _, tc := range []struct {
		name    string
		connect Connect
		qos     byte
		want    string
	}{
		{"QoS 1", Connect{Version: V5}, 1, "40 13 0001 83 0f 1f 0002 6e6f 26 0004 626f6f74 0001 35"},
		{"QoS 2", Connect{Version: V5}, 2, "50 13 0001 83 0f 1f 0002 6e6f 26 0004 626f6f74 0001 35"},
		{"no reasons", Connect{Version: V5, Props: &Properties{RequestProblemInfo: Some[byte](0)}}, 1, bare},
		{"small packets", Connect{Version: V5, Props: &Properties{MaximumPacketSize: Some[uint32](20)}}, 1, bare},
		{"3.1.1", Connect{Version: V311}, 1, "40 02 0001"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewServer(t0, nil)
			tc.connect.ClientID, tc.connect.CleanStart = "a", true
			b, err := Append(nil, &tc.connect, tc.connect.Version)
			must(t, err)
			feed(t, t0, s, b)
			must(t, s.Accept(t0, nil, nil))
			drain(s)
			for _, want := range []string{tc.want, strings.Replace(bare, "40", tc.want[:2], 1)} {
				b, err := Append(nil, &Publish{Topic: "a", QoS: tc.qos, PacketID: 1}, tc.connect.Version)
				must(t, err)
				feed(t, t0, s, b)
				props := reason
				if want != tc.want {
					props = nil // one without a reason
				}
				if tc.connect.Version == V311 {
					want = tc.want
				}
				must(t, s.AckWith(1, ImplementationError, props))
				says(t, s, want)
			}
			if len(s.reasons) > 0 {
				t.Errorf("reasons stay: %v", s.reasons)
			}
		})
	}
}
