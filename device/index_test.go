package device

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/internal/indextest"
)

// TestIndex: each name of the vendor's index is there for device code, or in the table of
// what is not.
func TestIndex(t *testing.T) {
	names := indextest.Read(t, "testdata/index/vendor.txt")
	absent := indextest.Absent(t, "../docs/guides/from-electric-imp.md")
	s := newStory(t)
	s.cfg.Connected = true
	s.cfg.Memory = 4 << 20
	s.cfg.Budget = 10 * time.Second
	out := s.start(indextest.Program(names, map[string]string{
		"pin": "hardware.pin1", "i2c": "hardware.i2c89", "spi": "hardware.spi257", "uart": "hardware.uart57",
	}))
	if s.m.Dead() {
		t.Fatal(out)
	}
	indextest.Compare(t, names, absent, func(name string) bool { return strings.Contains(out, ": missing "+name+"\n") })
}
