package codec

import (
	"encoding/binary"
	"math"
	"slices"
)

// ToCBOR appends to dst the CBOR item of one value in the compact encoding.
func ToCBOR(dst, compact []byte) ([]byte, error) {
	w := cborWriter{out: dst}
	if err := transcode(compact, &w); err != nil {
		return dst, err
	}
	return w.out, nil
}

type cborWriter struct {
	out   []byte
	begun []int // offsets at which the containers being written begin
}

func (w *cborWriter) head(major byte, n uint64) { w.out = appendCBORHead(w.out, major, n) }

func appendCBORHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
}

func (w *cborWriter) scalar(it Item) {
	switch it.Kind {
	case Null:
		w.out = append(w.out, cborOther|cborNull)
	case False:
		w.out = append(w.out, cborOther|cborFalse)
	case True:
		w.out = append(w.out, cborOther|cborTrue)
	case Integer:
		if it.Int < 0 {
			w.head(cborNegative, uint64(-1-int64(it.Int)))
		} else {
			w.head(cborUnsigned, uint64(it.Int))
		}
	case Float:
		w.out = binary.BigEndian.AppendUint32(append(w.out, cborOther|cborSingle), math.Float32bits(it.Float))
	case String:
		if Safe(it.Bytes) {
			w.key(it.Bytes)
			return
		}
		fallthrough
	case Blob:
		w.head(cborBytes, uint64(len(it.Bytes)))
		w.out = append(w.out, it.Bytes...)
	}
}

func (w *cborWriter) key(k []byte) {
	w.head(cborText, uint64(len(k)))
	w.out = append(w.out, k...)
}

func (w *cborWriter) open(byte) { w.begun = append(w.begun, len(w.out)) }

func (w *cborWriter) element(byte, int) {}

// close inserts the head, which holds the length, before the content.
func (w *cborWriter) close(kind byte, n int) {
	major := byte(cborArray)
	if kind == Table {
		major = cborMap
	}
	var buf [5]byte
	at := w.begun[len(w.begun)-1]
	w.begun = w.begun[:len(w.begun)-1]
	w.out = slices.Insert(w.out, at, appendCBORHead(buf[:0], major, uint64(n))...)
}
