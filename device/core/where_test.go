package core

import (
	"slices"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// TestLostPlace: the line that stands for lost ones is about no place in the code, and keeps
// what else the first of them had.
func TestLostPlace(t *testing.T) {
	c := &Core{clock: newStamps(time.Now)}
	c.out.journal, c.out.log = &c.disk.journal, &c.disk.lines
	for range maxKept + 1 {
		c.addLineAt(&item{}, "log/error", []byte("no"), &tandem.Where{File: "device_code", Line: 4}, codeOf("x", nil))
	}
	keys := func(i int) (all []string) {
		for _, u := range c.out.queue.list()[i].publish.Props.User {
			all = append(all, u.Key)
		}
		return all
	}
	if got := keys(0); !slices.Equal(got, []string{"clock", "boot", "seq"}) {
		t.Errorf("the line that stands for others has %q", got)
	}
	if got := keys(1); !slices.Equal(got, []string{"clock", "boot", "seq", propertyWhere}) {
		t.Errorf("the next line has %q", got)
	}
	if unplaced(nil) != nil {
		t.Error("no properties become some")
	}
}

// TestPlaceSent: the server is told the place of a line and the deployment of its code.
func TestPlaceSent(t *testing.T) {
	c := &Core{clock: newStamps(time.Now)}
	c.out.journal, c.out.log = &c.disk.journal, &c.disk.lines
	k := codeOf("x", map[string]string{"DEPLOYMENT_ID": "id"})
	c.addLineAt(&item{}, "log/error", []byte("no"), &tandem.Where{File: "device_code", Line: 4, During: "imp.wakeup"}, k)
	want := mqtt.UserProperty{
		Key:   propertyWhere,
		Value: `{"file":"device_code","line":4,"deployment":"id","during":"imp.wakeup"}`,
	}
	if got := c.out.queue.list()[0].publish.Props.User; !slices.Contains(got, want) {
		t.Errorf("got %+v", got)
	}
}
