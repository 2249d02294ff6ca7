package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A Page selects a part of a list: Limit records from Offset on. Limit 0 means
// all records from Offset on.
type Page struct{ Offset, Limit int }

// table maps records of type T to a table of the database.
type table[T any] struct {
	name    string
	noun    string         // for messages
	columns string         // separated by comma and space; the first is the key
	order   string         // of a list
	fields  func(*T) []any // pointers to scan into and to write from, in the order of columns
	// covered is how many columns, from the first on, the checksum covers; 0: all. The
	// others have a checksum of their own when coded is set.
	covered int
	coded   bool
}

// querier is the read pool, or the committer's connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	bounded(ctx context.Context) (context.Context, context.CancelFunc)
	lock() string // the end of a query that locks its records until the transaction ends
}

// condition collects the terms of a WHERE clause.
type condition struct {
	terms []string
	args  []any
}

func (c *condition) and(term string, args ...any) {
	c.terms = append(c.terms, term)
	c.args = append(c.args, args...)
}

// equal requires a column to have a value, unless value is empty.
func (c *condition) equal(column, value string) {
	if value != "" {
		c.and(column+" = ?", value)
	}
}

func where(term string, args ...any) condition {
	return condition{terms: []string{term}, args: args}
}

func (c condition) String() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// query returns the records that meet c. A damaged one is an error.
func (t table[T]) query(ctx context.Context, q querier, c condition, page Page) (list []T, err error) {
	list, damage, err := t.scan(ctx, q, c, page)
	if err == nil && len(damage) > 0 {
		err = damage[0]
	}
	return list, err
}

// scan is query with the damaged records apart.
func (t table[T]) scan(
	ctx context.Context, q querier, c condition, page Page,
) (list []T, damage []error, err error) {
	limit := page.Limit
	if limit == 0 {
		limit = math.MaxInt // of 32 bits on small machines
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	text := "SELECT " + t.columns + t.sums() + " FROM " + t.name + c.String() +
		" ORDER BY " + t.order + " LIMIT ? OFFSET ?" + q.lock()
	rows, err := q.QueryContext(ctx, text, append(c.args[:len(c.args):len(c.args)], limit, page.Offset)...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close() // Err tells
	for rows.Next() {
		var record T
		var kept [2]sql.NullInt64
		fields := t.fields(&record)
		if err := rows.Scan(append(fields[:len(fields):len(fields)], t.into(&kept)...)...); err != nil {
			return nil, nil, err
		}
		if t.intact(fields, kept) {
			list = append(list, record)
		} else {
			damage = append(damage, t.damaged(fields))
		}
	}
	return list, damage, rows.Err()
}

// one returns the record that meets c, NotFound when there is none.
func (t table[T]) one(ctx context.Context, q querier, c condition) (record T, err error) {
	list, err := t.query(ctx, q, c, Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = t.absent()
	}
	if err != nil {
		return record, err
	}
	return list[0], nil
}

func (t table[T]) absent() error {
	return record.Absent(t.noun)
}

// list returns a page of the records that meet c, without damaged ones, and how many
// there are.
func (t table[T]) list(ctx context.Context, s *Store, c condition, page Page) (list []T, total int, err error) {
	list, damage, err := t.scan(ctx, s.read, c, page)
	if err != nil {
		return nil, 0, s.describe(err)
	}
	for _, d := range damage { // the others can be used
		s.noteDamage(d)
	}
	if page == (Page{}) {
		return list, len(list), nil
	}
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	err = s.read.scan(ctx, "SELECT count(*) FROM "+t.name+c.String(), c.args, &total)
	return list, total, s.describe(err)
}

func (t table[T]) insert(s *Store, record *T) error {
	return s.exec(t.inserting(), t.values(record)...)
}

func (t table[T]) inserting() string {
	columns := t.columns + t.sums()
	marks := strings.Repeat(", ?", strings.Count(columns, ",")+1)[2:]
	return "INSERT INTO " + t.name + " (" + columns + ") VALUES (" + marks + ")"
}

func (t table[T]) update(s *Store, record *T) error {
	key, rest, _ := strings.Cut(t.columns+t.sums(), ", ")
	fields := t.values(record)
	return s.exec("UPDATE "+t.name+" SET "+strings.ReplaceAll(rest, ",", " = ?,")+" = ? WHERE "+key+" = ?",
		append(fields[1:], fields[0])...)
}

// change edits the record with the given key.
func (t table[T]) change(ctx context.Context, s *Store, id string, edit func(*T) error) (record T, err error) {
	key, _, _ := strings.Cut(t.columns, ", ")
	err = s.do(ctx, func() error {
		if record, err = t.one(s.inside(), s.write, where(key+" = ?", id)); err != nil {
			return err
		}
		if err := edit(&record); err != nil {
			return err
		}
		return t.update(s, &record)
	})
	return record, err
}

// remove deletes the record with the given key.
func (t table[T]) remove(s *Store, id string) error {
	key, _, _ := strings.Cut(t.columns, ", ")
	n, err := s.write.exec(s.inside(), "DELETE FROM "+t.name+" WHERE "+key+" = ?", id)
	if err == nil && n == 0 {
		err = t.absent()
	}
	return err
}

// exists reports, inside a transaction, whether a query returns a row.
func (s *Store) exists(query string, args ...any) (found bool, err error) {
	err = s.write.scan(s.inside(), "SELECT EXISTS ("+query+")", args, &found)
	return found, err
}

// named replaces the error of a violated constraint by msg, which names it.
func named(err error, msg string) error {
	if contradicts(err) {
		return tandem.Errorf(tandem.Conflict, "%s", msg)
	}
	return err
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// milli is a time as a column: milliseconds since 1970, 0 for the zero time.
type milli time.Time

func (m *milli) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time column holds %T", v)
	}
	*m = milli{}
	if n != 0 {
		*m = milli(time.UnixMilli(n).UTC())
	}
	return nil
}

func (m milli) Value() (driver.Value, error) {
	if time.Time(m).IsZero() {
		return int64(0), nil
	}
	return time.Time(m).UnixMilli(), nil
}

// bits is an unsigned number of 64 bits as a column, which is signed.
type bits uint64

func (b *bits) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a number column holds %T", v)
	}
	*b = bits(n)
	return nil
}

func (b bits) Value() (driver.Value, error) { return int64(b), nil }

// optional is a reference as a column: NULL when empty.
type optional string

func (o *optional) Scan(v any) error {
	var text sql.NullString
	err := text.Scan(v)
	*o = optional(text.String)
	return err
}

func (o optional) Value() (driver.Value, error) {
	if o == "" {
		return nil, nil
	}
	return string(o), nil
}

// words is a list of strings as a column: a JSON array.
type words []string

func (w *words) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return errors.New("a list column does not hold text")
	}
	return json.Unmarshal([]byte(text), (*[]string)(w))
}

func (w words) Value() (driver.Value, error) {
	if w == nil {
		w = words{}
	}
	text, err := json.Marshal([]string(w))
	return string(text), err
}
