package imp

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// addStandard adds the standard library in the extent in which imps have it.
func addStandard(l *squirrel.Library, side tandem.Side) {
	squirrel.AddString(l)
	squirrel.AddMath(l, "math.")
	squirrel.AddBlob(l)
	if side == tandem.DeviceSide {
		squirrel.AddTime(l, squirrel.DeviceDates)
	} else {
		squirrel.AddTime(l, squirrel.AgentDates)
	}
}
