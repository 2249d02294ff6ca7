package main

import (
	"testing"
	"time"

	"github.com/tandem-iot/tandem/world"
)

func TestLinearisable(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) }
	for name, tc := range map[string]struct {
		history []world.Operation
		good    bool
	}{
		"one after the other": {[]world.Operation{
			{Write: true, Value: 1, Called: at(1), End: at(2)}, {Value: 1, Called: at(3), End: at(4)},
		}, true},
		"an old value": {[]world.Operation{
			{Write: true, Value: 1, Called: at(1), End: at(2)}, {Write: true, Value: 2, Called: at(3), End: at(4)},
			{Value: 1, Called: at(5), End: at(6)},
		}, false},
		"a write of unknown outcome is read": {[]world.Operation{
			{Write: true, Value: 1, Called: at(1)}, {Value: 1, Called: at(3), End: at(4)},
		}, true},
		"and is gone again": {[]world.Operation{
			{Write: true, Value: 1, Called: at(1)}, {Value: 1, Called: at(3), End: at(4)}, {Value: 0, Called: at(5), End: at(6)},
		}, false},
	} {
		_, err := linearisable([]*world.Register{{History: tc.history}})
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
