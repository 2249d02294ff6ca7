package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

func lookUps(t *testing.T, n Node, known Known) {
	for _, tt := range []struct {
		op     twin.Op
		want   any
		absent twin.Op
	}{
		{twin.Device{Device: known.Device.ID}, known.Device, twin.Device{Device: "0123456789abcdef"}},
		{twin.DeviceOf{Agent: known.Device.Agent}, known.Device, twin.DeviceOf{Agent: agent}},
		{twin.Devices{Group: known.Group.ID}, []record.Device{known.Device}, nil},
		{twin.Group{ID: known.Group.ID}, known.Group, twin.Group{ID: "none"}},
		{twin.Product{ID: known.Product.ID}, known.Product, twin.Product{ID: "none"}},
		{twin.Deployment{ID: known.Deployment.ID}, known.Deployment, twin.Deployment{ID: "none"}},
		{twin.LibraryCode{Library: known.Library}, known.LibraryCode,
			twin.LibraryCode{Library: tandem.LibraryID{Name: "none", Version: "1"}}},
	} {
		if a := one(n, tt.op); a.Err != nil || !reflect.DeepEqual(a.Value, tt.want) {
			t.Errorf("%T gave %+v, %v; want %+v", tt.op, a.Value, a.Err, tt.want)
		}
		if tt.absent != nil {
			refused(t, n, tt.absent, tandem.NotFound)
		}
	}
	if list := value[[]record.Device](t, n, twin.Devices{Group: "none"}); len(list) != 0 {
		t.Errorf("devices of no group: %+v", list)
	}
}

func sightings(t *testing.T, n Node, known Known) {
	want := known.Device
	for _, what := range []record.Sighting{
		{At: start, Address: "192.0.2.1", Runtime: "tandem 1", Boot: 7, Incarnation: 3},
		{At: start.Add(time.Second + time.Microsecond)},
		{At: start, Boot: 1<<64 - 1},
		{At: start, Incarnation: 9}, // without a boot it says nothing
		{At: start, Address: "192.0.2.2"},
		{At: start, Heard: record.Boot{Number: 1<<64 - 1, ID: "a", Installation: "b"}},
		{At: start, Heard: record.Boot{ID: "c", Installation: "d"}}, // without a number it says nothing
		{At: start, Heard: record.Boot{Number: 3}},
	} {
		do(t, n, twin.Seen{Device: want.ID, Sighting: what})
		want = want.Seen(what)
		if got := value[record.Device](t, n, twin.Device{Device: want.ID}); !reflect.DeepEqual(got, want) {
			t.Errorf("after %+v: %+v, want %+v", what, got, want)
		}
	}
	do(t, n, twin.Seen{Device: "0123456789abcdef", Sighting: record.Sighting{At: start}})
}
