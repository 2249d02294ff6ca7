package agent

import (
	"encoding/base64"
	"strings"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

func jsonEncode(call *squirrel.Call) (squirrel.Value, error) {
	vm := call.VM()
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	style := codec.JSONStyle{Spaced: true, Short: true}
	if settings := call.Arg(2); !settings.IsNull() {
		style.Spaced = !vm.Field(settings, "compact").Truthy()
	}
	data, dropped, err := imp.Encode(nil, vm, call.Arg(1), imp.ForJSON)
	if err != nil {
		return call.Errorf("http.jsonencode: %v", err)
	}
	if err := machineOf(call).leftOut(call, "http.jsonencode", dropped); err != nil {
		return squirrel.Null, err
	}
	if err := call.Charge(2 * len(data)); err != nil {
		return squirrel.Null, err
	}
	text, err := codec.ToJSON(make([]byte, 0, 2*len(data)), data, style)
	if err != nil {
		return call.Errorf("http.jsonencode: %v", err)
	}
	return vm.NewStringBytes(text), nil
}

func jsonDecode(call *squirrel.Call) (squirrel.Value, error) {
	if !imp.IsData(call.VM(), call.Arg(1)) {
		return call.Errorf("http.jsondecode: give a string")
	}
	text := call.Bytes(1)
	if err := call.Charge(nativeCost + len(text)); err != nil {
		return squirrel.Null, err
	}
	data, err := codec.FromJSON(make([]byte, 0, len(text)), text)
	if err != nil {
		return call.Errorf("http.jsondecode: %v", err)
	}
	x, err := imp.Decode(call.VM(), data)
	if err != nil {
		return call.Errorf("http.jsondecode: %v", err)
	}
	return x, nil
}

func base64Encode(call *squirrel.Call) (squirrel.Value, error) {
	if !imp.IsData(call.VM(), call.Arg(1)) {
		return call.Errorf("http.base64encode: give a string or a blob")
	}
	data := call.Bytes(1)
	if err := call.Charge(nativeCost + len(data)/4); err != nil {
		return squirrel.Null, err
	}
	return call.VM().NewStringBytes(base64.StdEncoding.AppendEncode(nil, data)), nil
}

// base64Decode accepts line ends, missing padding, and a last character that is
// not enough for a byte: the library Rocky decodes credentials as clients send
// them, without checking them.
func base64Decode(call *squirrel.Call) (squirrel.Value, error) {
	if !imp.IsData(call.VM(), call.Arg(1)) {
		return call.Errorf("http.base64decode: give a string")
	}
	data := call.Bytes(1)
	if err := call.Charge(nativeCost + len(data)/2); err != nil {
		return squirrel.Null, err
	}
	text := make([]byte, 0, len(data))
	for _, c := range data {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			text = append(text, c)
		}
	}
	for len(text) > 0 && text[len(text)-1] == '=' {
		text = text[:len(text)-1]
	}
	lone := len(text)%4 == 1
	if lone {
		text = append(text, 'A') // so that the decoder checks the last character too
	}
	out, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return call.Errorf("http.base64decode: this is not base64")
	}
	if lone {
		out = out[:len(out)-1]
	}
	return call.VM().NewBlob(out), nil
}

// nullInURL is the encoding of null in a query that programs for the imp API expect.
const nullInURL = "%28null%20%3A%20%28nil%29%29"

func urlEncode(call *squirrel.Call) (squirrel.Value, error) {
	vm, t := call.VM(), call.Arg(1)
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	var out []byte
	tooLong := false
	add := func(key, x squirrel.Value) bool {
		tooLong = tooLong || len(out) > imp.MaxEncoded || call.Charge(urlCost(vm, key, x)) != nil
		if tooLong {
			return true
		}
		switch x.Type() {
		case squirrel.TypeNull, squirrel.TypeInteger, squirrel.TypeFloat, squirrel.TypeBool, squirrel.TypeString:
		default:
			return false
		}
		if len(out) > 0 {
			out = append(out, '&')
		}
		out = append(appendURL(out, textOf(vm, key)), '=')
		if x.IsNull() {
			out = append(out, nullInURL...)
		} else {
			out = appendURL(out, textOf(vm, x))
		}
		return true
	}
	for i, key, x, ok := vm.Next(t, 0); ok; i, key, x, ok = vm.Next(t, i) {
		good := true
		if x.IsArray() {
			for j := 0; j < vm.Len(x) && good && !tooLong; j++ {
				good = add(key, vm.Index(x, j))
			}
		} else {
			good = add(key, x)
		}
		if tooLong {
			return call.Errorf("http.urlencode: the result has more than %d bytes", imp.MaxEncoded)
		}
		if !good {
			return call.Errorf("http.urlencode: '%s' is neither a string nor a number, nor an array of those",
				brief(textOf(vm, key)))
		}
	}
	return vm.NewStringBytes(out), nil
}

// urlCost is the fuel of a slot of a query.
func urlCost(vm *squirrel.VM, key, x squirrel.Value) int { return 8 + (vm.Len(key)+vm.Len(x))/2 }

// briefly is the number of bytes of a program's string that an error message shows.
const briefly = 100

// brief cuts a string for an error message.
func brief(s string) string { return s[:min(len(s), briefly)] }

// appendURL appends s, with every character that is not unreserved (RFC 3986) as %XX.
func appendURL(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

func urlDecodeNative(call *squirrel.Call) (squirrel.Value, error) {
	if err := call.Charge(nativeCost + call.VM().Len(call.Arg(1))/2); err != nil {
		return squirrel.Null, err
	}
	return urlDecode(call.VM(), call.Str(1))
}

// fieldCost is the fuel of a field of a query, beside that for its bytes.
const fieldCost = 16

// urlDecode returns the fields of a query as a table: strings, and arrays of
// strings for names that are repeated. The error is that of Charge.
func urlDecode(vm *squirrel.VM, s string) (squirrel.Value, error) {
	t := vm.NewTable()
	for len(s) > 0 {
		var field string
		field, s, _ = strings.Cut(s, "&")
		if err := vm.Charge(fieldCost); err != nil {
			return squirrel.Null, err
		}
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		key, x := vm.NewStringBytes(unescape(name)), vm.NewStringBytes(unescape(value))
		old, again := vm.Get(t, key)
		switch {
		case !again:
			vm.Set(t, key, x)
		case old.IsArray():
			vm.Append(old, x)
		default:
			both := vm.NewArray()
			vm.Append(both, old)
			vm.Append(both, x)
			vm.Set(t, key, both)
		}
	}
	return t, nil
}

// unescape decodes %XX, and + as a space. An invalid escape is left as it is.
func unescape(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		out = append(out, c)
	}
	return out
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func agentURL(call *squirrel.Call) (squirrel.Value, error) {
	return call.VM().NewString(machineOf(call).cfg.URL), nil
}
