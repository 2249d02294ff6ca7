package version

import (
	"runtime"
	"strings"
	"testing"
)

func TestLong(t *testing.T) {
	words := strings.Fields(Long())
	if len(words) != 3 || words[0] != String() || words[0] == "" || words[1] != runtime.Version() ||
		words[2] != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("the version is %q", words)
	}
}
