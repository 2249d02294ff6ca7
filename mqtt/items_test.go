package mqtt

import (
	"bytes"
	"testing"
)

// TestItems: a packet repeats filters and user properties a thousand times at most, and neither end
// accepts more, nor writes it.
func TestItems(t *testing.T) {
	for _, tc := range []struct {
		name  string
		items func(n int) Packet
		head  []byte // of the packet by hand, after its length
		item  []byte
		props bool // the items are properties
	}{
		{"SUBSCRIBE", func(n int) Packet {
			return &Subscribe{PacketID: 1, Filters: repeat(n, Subscription{Filter: "a"})}
		}, []byte{0, 1, 0}, []byte{0, 1, 'a', 0}, false},
		{"UNSUBSCRIBE", func(n int) Packet {
			return &Unsubscribe{PacketID: 1, Filters: repeat(n, "a")}
		}, []byte{0, 1, 0}, []byte{0, 1, 'a'}, false},
		{"user properties", func(n int) Packet {
			return &Publish{Topic: "a", Props: &Properties{User: repeat(n, UserProperty{Key: "k"})}}
		}, []byte{0, 1, 'a'}, []byte{38, 0, 1, 'k', 0, 0}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw, err := Append(nil, tc.items(maxItems), V5)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Decode(raw, V5, 0); err != nil {
				t.Errorf("%d: %v", maxItems, err)
			}
			if _, err := Append(nil, tc.items(maxItems+1), V5); ReasonOf(err) != QuotaExceeded {
				t.Errorf("%d are written: %v", maxItems+1, err)
			}
			body := bytes.Repeat(tc.item, maxItems+1)
			if tc.props {
				body = append(varintOf(len(body)), body...)
			}
			body = append(bytes.Clone(tc.head), body...)
			byHand := append(append([]byte{raw[0]}, varintOf(len(body))...), body...)
			if _, _, err := Decode(byHand, V5, 0); ReasonOf(err) != QuotaExceeded {
				t.Errorf("%d are read: %v", maxItems+1, err)
			}
		})
	}
}

func repeat[T any](n int, x T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = x
	}
	return list
}

func varintOf(n int) []byte {
	var w writer
	w.varint(uint32(n))
	return w.b
}
