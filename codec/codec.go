// Package codec has the encodings of a program's values: compact, JSON and CBOR.
// It needs no machine that runs programs.
//
// The compact encoding is the common one. A machine converts it to values and
// back (package imp). FromJSON and FromCBOR convert to it, ToJSON and ToCBOR from
// it. A gateway needs only this package to translate between the format of a
// device and that of an agent.
//
// All three have the same values: null, bool, 32-bit integer, 32-bit float,
// string, blob, array, and table with strings as keys. MaxDepth bounds the
// nesting. Input may come from anywhere: invalid input gives an error, and the
// result is at most a small multiple of the input's size.
package codec

import "github.com/tandem-iot/tandem"

// Compact returns the data of a message in the compact encoding. The result
// may alias the message's.
func Compact(m tandem.Message) ([]byte, error) {
	switch m.Format {
	case tandem.FormatCompact:
		return m.Data, nil
	case tandem.FormatCBOR:
		return FromCBOR(nil, m.Data)
	default:
		return FromMessageJSON(nil, m.Data)
	}
}

// TranscodeJSON returns the JSON text of a value in the compact encoding, in the
// style in which devices get it.
func TranscodeJSON(compact []byte) ([]byte, error) { return ToJSON(nil, compact, JSONStyle{}) }

// TranscodeCBOR returns the CBOR item of a value in the compact encoding.
func TranscodeCBOR(compact []byte) ([]byte, error) { return ToCBOR(nil, compact) }
