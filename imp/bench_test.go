package imp

import (
	"testing"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/squirrel"
)

// BenchmarkValue makes a value of a machine's of its encoding, and back.
func BenchmarkValue(b *testing.B) {
	const text = `{"id":"sensor-17","t":21.5,"h":48.25,"n":1203,"ok":true,"log":["started","joined","über 20 °C"],` +
		`"acc":[{"x":0.01,"y":-0.98,"z":12},{"x":0.02,"y":-0.97,"z":12}],"next":null}`
	compact, err := codec.FromJSON(nil, []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	vm := squirrel.New(testVM, 16<<20)
	b.Run("Encode", func(b *testing.B) {
		x, err := Decode(vm, compact)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			if out, _, err = Encode(out[:0], vm, x, ForMessage); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if vm.MemoryFree() < 1<<20 {
				vm.Collect()
			}
			if _, err := Decode(vm, compact); err != nil {
				b.Fatal(err)
			}
		}
	})
}
