package enrol

import (
	"crypto/rand"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Code is a claim code in its plain form: 12 characters of Crockford's base 32, the last of
// which is a check. It is random but for that: 55 bits.
type Code string

// alphabet has no I, L, O and U: they are read as 1, 1, 0, and a wrong character.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const codeLength = 12

// NewCode returns a random code.
func NewCode() Code {
	var b [codeLength - 1]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return Code(append(b[:], alphabet[check(string(b[:]))]))
}

// check returns the check of the other characters: their sum with powers of 2 as weights, in the
// field of 32 elements. So each wrong character, and each two neighbours that are swapped, give
// another check.
func check(body string) byte {
	sum := byte(0)
	for i := range len(body) {
		sum = double(sum ^ byte(strings.IndexByte(alphabet, body[i])))
	}
	return sum
}

// double multiplies by 2 in the field, whose polynomial is x⁵+x²+1.
func double(x byte) byte {
	x <<= 1
	if x&32 != 0 {
		x ^= 32 | 5
	}
	return x
}

// ParseCode reads a code as people type it: in upper or lower case, with spaces or hyphens
// anywhere, with O for 0 and I or L for 1.
func ParseCode(text string) (Code, error) {
	var b strings.Builder
	for _, r := range strings.ToUpper(text) {
		switch r {
		case ' ', '-', '\t', '\r', '\n':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if r >= 0x80 || strings.IndexByte(alphabet, byte(r)) < 0 {
			return "", tandem.Errorf(tandem.Invalid,
				"a claim code has no %q: it is 12 letters and digits such as %s", r, example)
		}
		if b.WriteRune(r); b.Len() > codeLength {
			break
		}
	}
	code := b.String()
	switch {
	case len(code) != codeLength:
		return "", tandem.Errorf(tandem.Invalid, "a claim code has %d letters and digits, such as %s", codeLength, example)
	case alphabet[check(code[:codeLength-1])] != code[codeLength-1]:
		return "", tandem.Errorf(tandem.Invalid, "this claim code is mistyped: compare it with what was printed")
	}
	return Code(code), nil
}

var example = Code("7K3MQ0D4X9TW").String()

// String returns the code as it is printed, in groups of four.
func (c Code) String() string {
	if len(c) != codeLength {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:])
}
