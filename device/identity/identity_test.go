package identity

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

func sealed(t *testing.T, i Identity) []byte {
	t.Helper()
	data, err := json.Marshal(i.Seal())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestKeys(t *testing.T) {
	var i Identity
	for _, key := range []string{"a", "b", "c", "b", "d", "e"} {
		if !i.Add(key) {
			t.Errorf("%s changes nothing", key)
		}
	}
	if i.Add("e") || !slices.Equal(i.Keys, []string{"e", "d", "b", "c"}) {
		t.Errorf("the keys are %v", i.Keys)
	}
	if i.Used("d") || len(i.Keys) != 4 {
		t.Errorf("an older key that is accepted leaves %v", i.Keys)
	}
	if !i.Used("e") || i.Used("e") || !slices.Equal(i.Keys, []string{"e"}) {
		t.Errorf("the newest key that is accepted leaves %v", i.Keys)
	}
}

// TestDamage: any change of any byte of one file, a missing or an older one, loses nothing.
func TestDamage(t *testing.T) {
	want := Identity{Device: "0123456789abcdef", Keys: []string{"key"}, Server: "tcp://a", Generation: 7}
	older := want
	older.Generation, older.Keys = 6, []string{"old"}
	whole := sealed(t, want)
	check := func(what string, contents [2][]byte, damaged int) {
		t.Helper()
		got, bad, err := Open(contents)
		if err != nil || len(bad) != damaged || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, damaged %v, %v", what, got, bad, err)
		}
	}
	check("both", [2][]byte{whole, whole}, 0)
	check("one is missing", [2][]byte{nil, whole}, 0)
	check("one is older", [2][]byte{whole, sealed(t, older)}, 0)
	check("the other is older", [2][]byte{sealed(t, older), whole}, 0)
	check("one is empty", [2][]byte{{}, whole}, 1)
	for at := range whole {
		for _, bad := range [][]byte{slices.Clone(whole), whole[:at]} {
			if len(bad) == len(whole) {
				bad[at] ^= 4
			}
			for _, both := range [][2][]byte{{bad, whole}, {whole, bad}} {
				got, _, err := Open(both)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("damage at %d: %+v, %v", at, got, err)
				}
			}
		}
	}
	if _, bad, err := Open([2][]byte{whole[1:], {}}); err == nil || len(bad) != 2 {
		t.Errorf("both damaged: %v, %v", bad, err)
	}
	if got, bad, err := Open([2][]byte{}); err != nil || bad != nil || got.Device != "" {
		t.Errorf("none: %+v, %v, %v", got, bad, err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"sum":"","identity":null}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		i, damaged, err := Open([2][]byte{a, b})
		if err != nil && (i.Device != "" || len(damaged) == 0) {
			t.Errorf("%+v, %v, %v", i, damaged, err)
		}
	})
}
