package impunit

import (
	"context"
	"testing"

	"github.com/tandem-iot/tandem"
)

func none(_ context.Context, id tandem.LibraryID) (string, error) {
	return "", tandem.Errorf(tandem.NotFound, "there is no library %s", id)
}

func TestExamplesTry(t *testing.T) {
	p, err := Find("testdata/first", none)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files {
		r := p.Run(f, Options{})
		t.Logf("%+v", r)
		for _, x := range r.Tests {
			t.Logf("%s %v %v", x.Title(), x.Took, x.Failure)
		}
	}
}
