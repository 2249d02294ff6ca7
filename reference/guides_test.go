package reference

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/docs"
)

// TestGuides runs the programs in the guides. A block of code says where it
// runs: ```squirrel agent, device or both.
func TestGuides(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	for _, d := range docs.Guides() {
		for _, m := range block.FindAllStringSubmatch(d.Text, -1) {
			lines := strings.Count(d.Text[:strings.Index(d.Text, m[0])], "\n") + 1
			if strings.HasPrefix(m[1], "squirrel test ") {
				continue // cmd/tandem runs these
			}
			side, ok := strings.CutPrefix(m[1], "squirrel ")
			if !ok || side != "agent" && side != "device" && side != "both" {
				t.Errorf("%s:%d: say squirrel and agent, device or both, not %q", d.Name, lines, m[1])
				continue
			}
			if side != "device" {
				if fault := runAgent(t, m[2]).fault(m[2], false); fault != "" {
					t.Errorf("%s:%d: agent: %s", d.Name, lines, fault)
				}
			}
			if side != "agent" {
				if fault := runDevice(t, m[2]).fault(m[2], false); fault != "" {
					t.Errorf("%s:%d: device: %s", d.Name, lines, fault)
				}
			}
		}
	}
}

// TestWhatIsNotThere keeps the guide for people from Electric Imp true: what it
// says is absent has no entry, and what it says is there has one.
func TestWhatIsNotThere(t *testing.T) {
	code := regexp.MustCompile("`([a-z0-9]+(?:\\.[a-z0-9]+)+)`")
	for _, d := range docs.Guides() {
		_, absent, _ := strings.Cut(d.Text, "## What is not there\n")
		absent, _, _ = strings.Cut(absent, "\n## ")
		for _, m := range code.FindAllStringSubmatch(d.Text, -1) {
			_, known := entryLinks()[m[1]]
			switch isAbsent := strings.Contains(absent, m[0]); {
			case strings.HasSuffix(m[1], ".nut"), m[1] == "tandem.post", strings.HasPrefix(m[1], "world."),
				m[1] == "agent.x", m[1] == "device.x": // of tests and rehearsals
			case isAbsent && known:
				t.Errorf("%s: %s is there", d.Name, m[1])
			case !isAbsent && !known:
				t.Errorf("%s: %s is not there", d.Name, m[1])
			}
		}
	}
}
