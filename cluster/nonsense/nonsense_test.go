package nonsense

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/cluster/protocol"
)

// TestMessagesAreAll: whatever can be decoded is in the list of messages.
func TestMessagesAreAll(t *testing.T) {
	kinds := map[byte]bool{}
	for _, m := range Messages() {
		kinds[protocol.Encode(m)[0]] = true
	}
	for k := range 256 {
		_, err := protocol.Decode([]byte{byte(k)})
		if known := !strings.Contains(fmt.Sprint(err), "its kind is"); known != kinds[byte(k)] {
			t.Errorf("kind %d can be decoded: %v; is in the list: %v", k, known, kinds[byte(k)])
		}
	}
}

// Each message can be encoded; many of them are refused when they arrive.
func TestMaker(t *testing.T) {
	r := Maker{Rand: rand.New(rand.NewPCG(1, 2)), Texts: []string{"", "x", "\xff"}}
	decoded := 0
	for _, of := range Messages() {
		for range 50 {
			data := protocol.Encode(r.Message(of, protocol.Peer{Node: "evil", Session: 1}))
			if _, err := protocol.Decode(data); err == nil {
				decoded++
			}
		}
	}
	if decoded == 0 {
		t.Error("none of them can be decoded")
	}
}
