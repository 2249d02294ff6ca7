package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/tandem-iot/tandem/store/record"
)

// The checksums of the records of the control plane. A checksum is made of the
// record's fields, and not of the row, so that both databases have the same.

// sums returns the columns of the checksums, as the end of a list of columns.
func (t table[T]) sums() string {
	if t.coded {
		return ", sum, code_sum"
	}
	return ", sum"
}

// into returns where the checksums are read to.
func (t table[T]) into(kept *[2]sql.NullInt64) []any {
	if t.coded {
		return []any{&kept[0], &kept[1]}
	}
	return []any{&kept[0]}
}

// values returns the fields of a record to write, with the checksums.
func (t table[T]) values(r *T) []any {
	fields := t.fields(r)
	head, code := t.split(fields)
	values := append(fields[:len(fields):len(fields)], int64(sumOf(head)))
	if t.coded {
		values = append(values, int64(sumOf(code)))
	}
	return values
}

// split returns the fields that each checksum covers.
func (t table[T]) split(fields []any) (head, code []any) {
	if t.covered == 0 {
		return fields, nil
	}
	return fields[:t.covered], fields[t.covered:]
}

// intact compares a record with its checksums. One without them was written by an
// older version.
func (t table[T]) intact(fields []any, kept [2]sql.NullInt64) bool {
	head, code := t.split(fields)
	return matches(kept[0], sumOf(head)) && (!t.coded || matches(kept[1], sumOf(code)))
}

func matches(kept sql.NullInt64, is record.Sum) bool { return !kept.Valid || kept.Int64 == int64(is) }

func (t table[T]) damaged(fields []any) error {
	return record.DamagedRow(t.noun, reflect.ValueOf(fields[0]).Elem().String())
}

// sumOf returns the checksum of fields, which are pointers. A field is what it is
// when it has been written and read again.
func sumOf(fields []any) (s record.Sum) {
	for _, f := range fields {
		if list, ok := f.(*words); ok {
			s = s.Number(uint64(len(*list)))
			for _, w := range *list {
				s = s.Text(string([]rune(w))) // as JSON keeps it
			}
			continue
		}
		if v, ok := f.(driver.Valuer); ok {
			s = sumValue(s, v)
			continue
		}
		switch v := reflect.ValueOf(f).Elem(); v.Kind() {
		case reflect.String:
			s = s.Text(v.String())
		case reflect.Slice:
			s = s.Bytes(v.Bytes())
		case reflect.Int:
			s = s.Number(uint64(v.Int()))
		case reflect.Bool:
			s = s.Number(map[bool]uint64{true: 1}[v.Bool()])
		default:
			panic(fmt.Sprintf("store: a field of type %T has no checksum", f))
		}
	}
	return s
}

func sumValue(s record.Sum, v driver.Valuer) record.Sum {
	value, err := v.Value()
	if err != nil {
		panic(err) // times, numbers, references and bytes are always values
	}
	switch value := value.(type) {
	case nil:
		return s.Text("")
	case int64:
		return s.Number(uint64(value))
	case string:
		return s.Text(value)
	case []byte:
		return s.Bytes(value)
	default:
		panic(fmt.Sprintf("store: a value of type %T has no checksum", value))
	}
}

// noteDamage writes an error to the log, when it is that of a damaged record, once
// for each record, and returns it.
func (s *Store) noteDamage(err error) error {
	var d *record.Damaged
	if !errors.As(err, &d) {
		return err
	}
	s.mu.Lock()
	known := s.health.damaged[d.What]
	if s.health.damaged == nil {
		s.health.damaged = map[string]bool{}
	}
	if !known && len(s.health.damaged) < maxDamaged {
		s.health.damaged[d.What] = true
	}
	s.mu.Unlock()
	if !known {
		s.log().Error("a record is damaged", "what", d.What, "remedy", d.Remedy)
	}
	return err
}

// maxDamaged bounds how many damaged records are remembered as reported.
const maxDamaged = 10_000
