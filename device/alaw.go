package device

import "math/bits"

// A-law, by ITU-T G.711: 13 bits of a sample's value in 8.

// compressALaw returns the code of a sample.
func compressALaw(x int16) byte {
	mask := byte(0xD5) // the sign of a positive number, and every second bit turned
	magnitude := int(x) >> 3
	if magnitude < 0 {
		mask = 0x55
		magnitude = -magnitude - 1
	}
	segment := max(0, bits.Len(uint(magnitude))-5)
	if segment >= 8 {
		return 0x7F ^ mask
	}
	step := magnitude >> max(1, segment)
	return byte(segment<<4|step&0xF) ^ mask
}

// expandALaw returns the sample that a code stands for.
func expandALaw(code byte) int16 {
	code ^= 0x55
	x := int(code&0xF)<<4 + 8
	if segment := int(code >> 4 & 7); segment > 0 {
		x = (x + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		x = -x
	}
	return int16(x)
}
