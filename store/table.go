package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A Page selects a part of a list: Limit records after a place in it. The zero Page is the
// whole list.
type Page struct {
	After int // what a list returned as next; 0: the list's beginning
	Skip  int // records to pass over from there; the index is walked, and no record is read
	Limit int
	Began *int // gets the After that Skip led to, unless it is nil
}

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
	quiet   bool // the audit log does not have its changes
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
	limit int // of the records that are read, as one of several conditions; 0: none
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
	list, damage, _, err := t.scan(ctx, q, []condition{c}, page)
	if err == nil && len(damage) > 0 {
		err = damage[0]
	}
	return list, err
}

// selecting returns the query of columns of the records that meet any of some conditions, in the
// order of a list. No record may meet two of them: so the database merges the indexes of all, and
// neither sorts nor compares.
func (t table[T]) selecting(columns string, either []condition) (text string, args []any) {
	parts := make([]string, len(either))
	for i, c := range either {
		parts[i] = "SELECT " + columns + " FROM " + t.name + c.String()
		args = append(args, c.args...)
		if c.limit > 0 {
			parts[i] = "SELECT * FROM (" + parts[i] + " ORDER BY " + t.order + " LIMIT ?) AS p" + strconv.Itoa(i)
			args = append(args, int64(c.limit))
		}
	}
	text = strings.Join(parts, " UNION ALL ")
	if len(parts) > 1 {
		text = "SELECT * FROM (" + text + ") AS t"
	}
	return text + " ORDER BY " + t.order, args
}

// scan is query, for any of some conditions, with the damaged records apart. next is the place of
// the last record, if more than Limit records are there.
func (t table[T]) scan(
	ctx context.Context, q querier, either []condition, page Page,
) (list []T, damage []error, next int, err error) {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	text, args := t.selecting(t.columns+t.sums()+", rowid", either)
	if page.Limit > 0 {
		text += " LIMIT ?"
		args = append(args, int64(page.Limit)+1)
	}
	rows, err := q.QueryContext(ctx, text+q.lock(), args...)
	if err != nil {
		return nil, nil, 0, err
	}
	defer rows.Close() // Err tells
	place := 0
	for n := 0; rows.Next(); n++ {
		if page.Limit > 0 && n == page.Limit {
			return list, damage, place, nil
		}
		var record T
		var kept [2]sql.NullInt64
		fields := t.fields(&record)
		into := append(fields[:len(fields):len(fields)], t.into(&kept)...)
		if err := rows.Scan(append(into, &place)...); err != nil {
			return nil, nil, 0, err
		}
		if t.intact(fields, kept) {
			t.saw(q, &record)
			list = append(list, record)
		} else {
			damage = append(damage, t.damaged(fields))
		}
	}
	return list, damage, 0, rows.Err()
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

// list returns a page of the records that meet c, without damaged ones. next is the After of
// the page that follows, 0 when there is none.
func (t table[T]) list(ctx context.Context, s *Store, c condition, page Page) (list []T, next int, err error) {
	return t.listAny(ctx, s, []condition{c}, page)
}

// listAny is list for the records that meet any of some conditions; see selecting.
func (t table[T]) listAny(
	ctx context.Context, s *Store, either []condition, page Page,
) (list []T, next int, err error) {
	if len(either) == 0 {
		return nil, 0, nil
	}
	if page, err = t.pass(ctx, s, either, page); err != nil {
		return nil, 0, s.describe(err)
	}
	if page.After < 0 {
		return nil, 0, nil
	}
	list, damage, next, err := t.scan(ctx, s.read, s.parts(t.after(either, page.After), page.Limit+1), page)
	if err != nil {
		return nil, 0, s.describe(err)
	}
	for _, d := range damage { // the others can be used
		s.noteDamage(d)
	}
	return list, next, nil
}

// parts has PostgreSQL read at most limit records of each of several conditions, in their order. It
// would else read all of them and sort; SQLite reads as many as it needs, and would sort with a limit.
func (s *Store) parts(either []condition, limit int) []condition {
	if s.postgres == nil || len(either) == 1 || limit <= 1 {
		return either
	}
	list := slices.Clone(either)
	for i := range list {
		list[i].limit = limit
	}
	return list
}

// after requires records to follow a place in the list.
func (t table[T]) after(either []condition, place int) []condition {
	if place == 0 {
		return either
	}
	term := "rowid > ?"
	if strings.HasSuffix(t.order, " DESC") {
		term = "rowid < ?"
	}
	list := make([]condition, len(either))
	for i, c := range either {
		list[i] = condition{terms: slices.Clone(c.terms), args: slices.Clone(c.args)}
		list[i].and(term, int64(place))
	}
	return list
}

// pass turns a page's Skip into its After, which is negative when the list is not so long.
func (t table[T]) pass(ctx context.Context, s *Store, either []condition, page Page) (Page, error) {
	if page.Skip == 0 {
		return page, nil
	}
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	text, args := t.selecting("rowid", s.parts(t.after(either, page.After), page.Skip))
	err := s.read.scan(ctx, text+" LIMIT 1 OFFSET ?", append(args, int64(page.Skip)-1), &page.After)
	if errors.Is(err, sql.ErrNoRows) {
		page.After, err = -1, nil
	}
	page.Skip = 0
	if page.Began != nil && err == nil {
		*page.Began = page.After
	}
	return page, err
}

func (t table[T]) insert(s *Store, record *T) error {
	t.note(s, record)
	return s.exec(t.inserting(), t.values(record)...)
}

// inserts returns what inserts records, for perform.
func (t table[T]) inserts(s *Store, list []T) []step {
	steps := make([]step, len(list))
	for i := range list {
		t.note(s, &list[i])
		steps[i] = step{query: t.inserting(), args: t.values(&list[i])}
	}
	return steps
}

func (t table[T]) inserting() string {
	columns := t.columns + t.sums()
	marks := strings.Repeat(", ?", strings.Count(columns, ",")+1)[2:]
	return "INSERT INTO " + t.name + " (" + columns + ") VALUES (" + marks + ")"
}

func (t table[T]) update(s *Store, record *T) error {
	t.note(s, record)
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
	if err := t.noteRemoved(s, key, id); err != nil {
		return err
	}
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

// blob is a column of bytes that may be empty: nil is written as none, not as NULL.
type blob []byte

func (b blob) Value() (driver.Value, error) {
	if b == nil {
		b = blob{}
	}
	return []byte(b), nil
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
