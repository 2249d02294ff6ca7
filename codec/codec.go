// Package codec has the encodings of a program's values, without a machine that
// runs programs: compact, JSON and CBOR.
//
// The compact encoding is the one in the middle. A machine makes values of it
// and it of values (package imp); JSON and CBOR are turned into it (FromJSON,
// FromCBOR) and made from it (ToJSON, ToCBOR). A gateway translates between
// what a device speaks and what an agent gets with this package alone.
//
// All three have the same values: null, bool, 32-bit integer, 32-bit float,
// string, blob, array, and table with strings as keys. MaxDepth bounds the
// nesting. What is read may come from anywhere: invalid input gives an error,
// and the result is at most a small multiple of the input's size.
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

// TranscodeJSON returns the JSON text of a value in the compact encoding, as
// devices get it.
func TranscodeJSON(compact []byte) ([]byte, error) { return ToJSON(nil, compact, JSONStyle{}) }

// TranscodeCBOR returns the CBOR item of a value in the compact encoding.
func TranscodeCBOR(compact []byte) ([]byte, error) { return ToCBOR(nil, compact) }
