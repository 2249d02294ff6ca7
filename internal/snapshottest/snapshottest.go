// Package snapshottest tests that a snapshot has all fields of a type: it fills every
// field, takes the value through a snapshot, and looks for fields that were lost. A
// field that is added later fails the test until it is in the snapshot, or until the
// test gives the reason why it need not be.
package snapshottest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// Check fills the fields of m, including those of structs within it, except the fields
// in local. It has restored take m through a snapshot, and compares all fields it has
// filled. local maps the paths of fields that are not in a snapshot of their own, such
// as "cfg.Agent", to the reasons.
func Check[T any](t *testing.T, m *T, local map[string]string, restored func(m *T) *T) {
	t.Helper()
	f := filler{local: local}
	f.fill("", reflect.ValueOf(m).Elem())
	for _, p := range f.problems {
		t.Error(p)
	}
	if t.Failed() {
		return
	}
	again := reflect.ValueOf(restored(m)).Elem()
	for _, path := range f.filled {
		before, after := at(reflect.ValueOf(m).Elem(), path), at(again, path)
		if !reflect.DeepEqual(before.Interface(), after.Interface()) {
			t.Errorf("%s was %+v and is %+v after a snapshot: put it into the snapshot, or say in the test why it need not be",
				path, before.Interface(), after.Interface())
		}
	}
	for path := range local {
		if !slices.Contains(f.seen, path) {
			t.Errorf("%s is not a field: remove it from the test", path)
		}
	}
}

// filler fills fields with values that are all different and not zero.
type filler struct {
	local    map[string]string
	count    int
	filled   []string // paths of the fields that it has filled
	seen     []string // paths of the local fields that it has seen
	problems []string
}

// fill fills a value. path is the path of a field, or "" for the whole.
func (f *filler) fill(path string, v reflect.Value) {
	if f.local[path] != "" {
		f.seen = append(f.seen, path)
		return
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() {
		if err := f.value(v); err != nil {
			f.problems = append(f.problems, fmt.Sprintf("%s: %v; say in the test why it need not be in a snapshot", path, err))
		}
		f.filled = append(f.filled, path)
		return
	}
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if path != "" {
			name = path + "." + name
		}
		f.fill(name, open(v.Field(i)))
	}
}

// value sets a value of any type to one that is not zero.
func (f *filler) value(v reflect.Value) error {
	f.count++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.count % 100))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.count % 100))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.count) + 0.5)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", f.count))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return f.value(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return f.value(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			if err := f.value(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		key, x := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := f.value(key); err != nil {
			return err
		}
		if err := f.value(x); err != nil {
			return err
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, x)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(f.count), 0).UTC()))
			return nil
		}
		for i := range v.NumField() {
			if err := f.value(open(v.Field(i))); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("a %s cannot be filled", v.Type())
	}
	return nil
}

// at returns the field with a path.
func at(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		v = open(v.FieldByName(name))
	}
	return v
}

// open makes a field that is not exported readable and settable.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}
