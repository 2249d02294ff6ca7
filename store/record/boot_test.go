package record

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestJudge: numbers count on only from what is the device's own history.
func TestJudge(t *testing.T) {
	boot := func(n uint64, id string) Boot { return Boot{n, id, "i"} }
	other := func(n uint64, id string) Boot { return Boot{n, id, "j"} }
	claim := func(is, heard Boot, unheard ...Boot) BootClaim { return BootClaim{is, heard, unheard} }
	for _, tt := range []struct {
		what  string
		heard Boot
		claim BootClaim
		want  Continuity
	}{
		{"nothing is known of it", Boot{}, claim(boot(1, "a"), Boot{}), NextBoot},
		{"the same", boot(7, "a"), claim(boot(7, "a"), boot(6, "z")), SameBoot},
		{"the next", boot(7, "a"), claim(boot(8, "b"), boot(7, "a")), NextBoot},
		{"a later one", boot(7, "a"), claim(boot(12, "b"), boot(7, "a"), boot(11, "x")), NextBoot},
		{"after one that it does not know heard of", boot(7, "a"), claim(boot(9, "c"), boot(6, "z"), boot(7, "a"), boot(8, "b")),
			NextBoot},
		{"the first of a new directory", boot(7, "a"), claim(other(1, "b"), Boot{}), Forked},
		{"a new directory with a higher number", boot(7, "a"), claim(other(9, "b"), Boot{}), Forked},
		{"a new directory that has been told", boot(7, "a"), claim(other(8, "b"), boot(7, "a")), NextBoot},
		{"an older directory", boot(7, "a"), claim(boot(5, "b"), boot(4, "x")), Forked},
		{"an older directory with the same number", boot(7, "a"), claim(boot(7, "b"), boot(6, "x")), Forked},
		{"an older directory with a higher number", boot(7, "a"), claim(boot(9, "b"), boot(6, "x"), boot(7, "y"), boot(8, "z")),
			Forked},
		{"an older database", boot(7, "a"), claim(boot(12, "b"), boot(11, "x")), NextBoot},
		{"an older database, of a former directory", boot(7, "a"), claim(other(12, "b"), boot(11, "x")), Forked},
		{"numbers of messages alone", Boot{Number: 7, ID: Foreign}, claim(boot(8, "b"), boot(4, "x")), NextBoot},
		{"the same number as in messages", Boot{Number: 7, ID: Foreign}, claim(boot(7, "b"), boot(4, "x")), Forked},
		{"the same number as in messages, without ids", Boot{Number: 7, ID: Foreign}, claim(Boot{Number: 7}, Boot{}), Nameless},
		{"without ids, the same", Boot{Number: 7}, claim(Boot{Number: 7}, Boot{}), SameBoot},
		{"without ids, the next", Boot{Number: 7}, claim(Boot{Number: 8}, Boot{}), NextBoot},
		{"without ids, back", Boot{Number: 7}, claim(Boot{Number: 1}, Boot{}), Nameless},
		{"an older runtime than before", boot(7, "a"), claim(Boot{Number: 8}, Boot{}), NextBoot},
		{"a newer runtime, in the same boot", Boot{Number: 7}, claim(boot(7, "a"), boot(6, "x")), NextBoot},
		{"a newer runtime, with its directory", Boot{Number: 7}, claim(boot(8, "a"), Boot{}), NextBoot},
		{"a newer runtime, with a new directory", Boot{Number: 7}, claim(boot(1, "a"), Boot{}), Forked},
		{"no number", boot(7, "a"), BootClaim{}, SameBoot},
		{"no number is higher", Boot{Number: tandem.MaxBoot}, claim(boot(1, "a"), Boot{}), Nameless},
	} {
		if got := tt.heard.Judge(tt.claim); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
}
