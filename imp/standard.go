package imp

import (
	"github.com/tandem-iot/tandem/squirrel"
)

// addStandard adds the standard library as imps have it.
func addStandard(l *squirrel.Library) {
	squirrel.AddString(l)
	squirrel.AddMath(l, "math.")
	squirrel.AddBlob(l)
	squirrel.AddTime(l)
}
