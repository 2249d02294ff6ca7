package main

import "testing"

func TestMemorySize(t *testing.T) {
	for text, want := range map[string]memorySize{
		"512MiB": 512 << 20, "2GiB": 2 << 30, "2GB": 2e9, "100MB": 1e8, "1.5GiB": 3 << 29,
		"1 GiB": 1 << 30, "100000000": 1e8,
	} {
		var got memorySize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1GiB", "0", "1", "31MiB", "NaN", "NaNGiB", "InfGiB", "1e30", "GiB", "2TiB"} {
		if err := new(memorySize).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
