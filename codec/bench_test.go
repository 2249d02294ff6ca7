package codec

import "testing"

// benchmarkJSON is what devices send: a few readings under short names.
const benchmarkJSON = `{"id":"sensor-17","t":21.5,"h":48.25,"n":1203,"ok":true,"at":1796009580,` +
	`"log":["started","joined","über 20 °C"],"acc":[{"x":0.01,"y":-0.98,"z":12},{"x":0.02,"y":-0.97,"z":12}],"next":null}`

// BenchmarkTranscode turns one value of 200 bytes into each of the encodings.
func BenchmarkTranscode(b *testing.B) {
	compact, err := FromJSON(nil, []byte(benchmarkJSON))
	if err != nil {
		b.Fatal(err)
	}
	cbor, err := ToCBOR(nil, compact)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		in   []byte
		to   func(dst, in []byte) ([]byte, error)
	}{
		{"FromJSON", []byte(benchmarkJSON), FromJSON},
		{"FromMessageJSON", []byte(benchmarkJSON), FromMessageJSON},
		{"FromCBOR", cbor, FromCBOR},
		{"ToJSON", compact, func(dst, in []byte) ([]byte, error) { return ToJSON(dst, in, JSONStyle{}) }},
		{"ToCBOR", compact, ToCBOR},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.in)))
			var out []byte
			for b.Loop() {
				var err error
				if out, err = c.to(out[:0], c.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
