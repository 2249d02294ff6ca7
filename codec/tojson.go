package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// JSONStyle is the layout of JSON. The zero value is compact, with as many digits
// of floats as they need.
type JSONStyle struct {
	Spaced bool // { "a": 1, "b": [ 1, 2 ] }
	Short  bool // floats in six digits, as programs print them
}

// ToJSON appends to dst the JSON text of one value in the compact encoding.
// Blobs become base64 text, floats that are not numbers become null, and each byte
// of a string that is not UTF-8 becomes the character with its number.
func ToJSON(dst, compact []byte, style JSONStyle) ([]byte, error) {
	w := jsonWriter{dst, style}
	if err := transcode(compact, &w); err != nil {
		return dst, err
	}
	return w.out, nil
}

type jsonWriter struct {
	out   []byte
	style JSONStyle
}

func (w *jsonWriter) scalar(it Item) {
	switch it.Kind {
	case Null:
		w.out = append(w.out, "null"...)
	case False:
		w.out = append(w.out, "false"...)
	case True:
		w.out = append(w.out, "true"...)
	case Integer:
		w.out = strconv.AppendInt(w.out, int64(it.Int), 10)
	case Float:
		w.float(it.Float)
	case String:
		w.string(it.Bytes)
	case Blob:
		w.out = append(w.out, '"')
		w.out = base64.StdEncoding.AppendEncode(w.out, it.Bytes)
		w.out = append(w.out, '"')
	}
}

func (w *jsonWriter) float(f float32) {
	x := float64(f)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		w.out = append(w.out, "null"...)
	case w.style.Short:
		w.out = text.AppendFloat(w.out, f)
	default:
		n := len(w.out)
		w.out = strconv.AppendFloat(w.out, x, 'g', -1, 32)
		for _, c := range w.out[n:] {
			if c == '.' || c == 'e' {
				return
			}
		}
		w.out = append(w.out, ".0"...) // so that the reader does not take it for an integer
	}
}

func (w *jsonWriter) open(kind byte) {
	if kind == Table {
		w.out = append(w.out, '{')
	} else {
		w.out = append(w.out, '[')
	}
}

func (w *jsonWriter) element(_ byte, n int) {
	if n > 0 {
		w.out = append(w.out, ',')
	}
	if w.style.Spaced {
		w.out = append(w.out, ' ')
	}
}

func (w *jsonWriter) key(k []byte) {
	w.string(k)
	w.out = append(w.out, ':')
	if w.style.Spaced {
		w.out = append(w.out, ' ')
	}
}

func (w *jsonWriter) close(kind byte, n int) {
	if w.style.Spaced && n > 0 {
		w.out = append(w.out, ' ')
	}
	if kind == Table {
		w.out = append(w.out, '}')
	} else {
		w.out = append(w.out, ']')
	}
}

const hexDigits = "0123456789abcdef"

func (w *jsonWriter) string(s []byte) {
	out := append(w.out, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && size == 1 {
				out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				out = append(out, s[i:i+size]...)
			}
			i += size
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= ' ':
			out = append(out, c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	w.out = append(out, '"')
}
