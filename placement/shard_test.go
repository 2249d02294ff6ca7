package placement

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestShardOf keeps the answers that databases already hold.
func TestShardOf(t *testing.T) {
	for id, want := range map[tandem.AgentID]int{
		"": 0x811c9dc5 % 4096, "a": 0xe40c292c % 4096, "foobar": 0xbf9cf968 % 4096,
	} {
		if got := ShardOf(id, 4096); got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
}
