package imp

import (
	"github.com/tandem-iot/tandem/squirrel"
)

// addStandard adds the standard library in the extent in which imps have it.
func addStandard(l *squirrel.Library) {
	squirrel.AddString(l)
	squirrel.AddMath(l, "math.")
	squirrel.AddBlob(l)
	squirrel.AddTime(l)
}
