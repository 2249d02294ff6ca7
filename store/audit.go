package store

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// How much of the audit log is kept.
const (
	AuditKept     = 400 * 24 * time.Hour
	AuditPerOwner = 100_000 // entries about an account's objects; the oldest go first
	auditTrims    = 64      // transactions between two looks for what is too old
)

// A Trail says for whom changes are made. The changes of a call whose context has one are
// recorded in the audit log, in the same transaction.
type Trail struct {
	Actor, ActorName string       // account; "": a device
	Source           string       // address
	Action           string       // method and route
	Place            record.Place // of the object that is changed
	noted            atomic.Int64 // records that were written, changed or not
}

// Noted reports whether any record was written with the trail.
func (t *Trail) Noted() bool { return t.noted.Load() > 0 }

type trailKey struct{}

// WithTrail returns a context whose changes are recorded. The fields of trail may still be set
// between calls of the store.
func WithTrail(ctx context.Context, trail *Trail) context.Context {
	return context.WithValue(ctx, trailKey{}, trail)
}

func trailOf(ctx context.Context) *Trail {
	trail, _ := ctx.Value(trailKey{}).(*Trail)
	return trail
}

// An AuditEntry is a change of one object.
type AuditEntry struct {
	ID               string
	At               time.Time
	Actor, ActorName string
	Source           string
	Action           string
	Place            record.Place
	Kind             string // of the object; "": what was done changes no record
	Object           string // its id
	// Before and After are JSON objects of what has changed; "" where there was no object. They
	// have no secrets: of what is not known to be none only the name is there.
	Before, After string
}

var audits = table[AuditEntry]{
	name: "audit", noun: "entry of the audit log", order: "rowid DESC", quiet: true,
	columns: "id, at, actor, actor_name, source, action, owner, product, device_group, kind, object, before, after",
	fields: func(e *AuditEntry) []any {
		return []any{&e.ID, (*milli)(&e.At), &e.Actor, &e.ActorName, &e.Source, &e.Action, &e.Place.Owner,
			&e.Place.Product, &e.Place.Group, &e.Kind, &e.Object, &e.Before, &e.After}
	},
}

// AuditFilter selects entries of the audit log. An empty field matches all.
type AuditFilter struct {
	Place record.Place
	Actor string
}

// Audit returns entries of the audit log, the newest first, and the After of the next page.
func (s *Store) Audit(ctx context.Context, f AuditFilter, page Page) ([]AuditEntry, int, error) {
	var c condition
	c.at(narrow(f.Place), "device_group")
	c.equal("actor", f.Actor)
	return audits.list(ctx, s, c, page)
}

// RecordAction records what has changed no record, such as a restart.
func (s *Store) RecordAction(ctx context.Context, trail *Trail, object string) error {
	return s.wait(ctx, &op{run: func() error {
		return s.keepAudit([]AuditEntry{trail.entry(s.stamp(), "", object)})
	}})
}

func (t *Trail) entry(at time.Time, kind, object string) AuditEntry {
	return AuditEntry{
		ID: newID(), At: at, Actor: t.Actor, ActorName: t.ActorName, Source: t.Source, Action: t.Action,
		Place: t.Place, Kind: kind, Object: object,
	}
}

// noted collects what an op writes, and what it has read before.
type noted struct {
	was  map[string][]cell // records as they were, by table and key
	list []change
}

// change is a record that was made, changed or deleted.
type change struct {
	kind, object  string
	before, after []cell // nil: there is none
}

// cell is a column of a record.
type cell struct {
	name  string
	value any // as it is compared
	shown any // as the audit log has it
}

// recorded has the audit log record what run changes.
func (s *Store) recorded(trail *Trail, run func() error) func() error {
	return func() error {
		n := &noted{was: map[string][]cell{}}
		s.write.noted = n
		err := run()
		s.write.noted = nil
		if err != nil {
			return err
		}
		trail.noted.Add(int64(len(n.list)))
		return s.keepAudit(n.entries(trail, s.stamp()))
	}
}

// entries returns what the audit log gets: of what was changed only what differs.
func (n *noted) entries(trail *Trail, at time.Time) (list []AuditEntry) {
	for _, c := range n.list {
		if trail.Place.Owner == "" {
			trail.Place = placeOf(append(slices.Clone(c.before), c.after...))
		}
		before, after := map[string]any{}, map[string]any{}
		for _, was := range c.before {
			before[was.name] = was.shown
		}
		for _, is := range c.after {
			i := slices.IndexFunc(c.before, func(was cell) bool { return was.name == is.name && was.value == is.value })
			if i >= 0 || is.name == "updated" && c.before != nil {
				delete(before, is.name)
				continue
			}
			after[is.name] = is.shown
		}
		if c.before != nil && c.after != nil && len(after) == 0 {
			continue
		}
		e := trail.entry(at, c.kind, c.object)
		e.Before, e.After = jsonOf(before, c.before), jsonOf(after, c.after)
		list = append(list, e)
	}
	return list
}

// placeOf returns where a record is by its columns.
func placeOf(cells []cell) (p record.Place) {
	for _, c := range cells {
		text, _ := c.value.(string)
		switch c.name {
		case "owner":
			p.Owner = text
		case "product":
			p.Product = text
		case "device_group":
			p.Group = text
		}
	}
	return p
}

func jsonOf(shown map[string]any, cells []cell) string {
	if cells == nil {
		return ""
	}
	data, err := json.Marshal(shown)
	if err != nil {
		panic(err) // texts, numbers and lists of texts can always be marshalled
	}
	return string(data)
}

// keepAudit writes entries, inside a transaction, and sometimes deletes those that are too old.
func (s *Store) keepAudit(list []AuditEntry) error {
	if len(list) == 0 {
		return nil
	}
	if _, err := s.write.perform(s.inside(), audits.inserts(s, list)); err != nil {
		return err
	}
	if s.write.audits++; s.write.audits%auditTrims != 1 {
		return nil
	}
	if err := s.exec("DELETE FROM audit WHERE at < ?", milli(s.stamp().Add(-AuditKept))); err != nil {
		return err
	}
	return s.trimAudit(list[0].Place.Owner, AuditPerOwner)
}

func (s *Store) trimAudit(owner string, keep int) error {
	const old = "DELETE FROM audit WHERE owner = ?1 AND rowid <= (SELECT rowid FROM audit " +
		"WHERE owner = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)"
	return s.exec(old, owner, keep)
}

// saw remembers a record that is read inside an op, as it may be changed next.
func (t table[T]) saw(q querier, r *T) {
	if w, ok := q.(*writer); ok && w.noted != nil && !t.quiet {
		id, cells := t.cells(r)
		w.noted.was[t.name+" "+id] = cells
	}
}

// note notes a record that is about to be written.
func (t table[T]) note(s *Store, r *T) {
	n := s.write.noted
	if n == nil || t.quiet {
		return
	}
	id, cells := t.cells(r)
	n.list = append(n.list, change{t.noun, t.object(id), n.was[t.name+" "+id], cells})
	n.was[t.name+" "+id] = cells
}

// noteRemoved notes a record that is about to be deleted.
func (t table[T]) noteRemoved(s *Store, column, id string) error {
	n := s.write.noted
	if n == nil || t.quiet {
		return nil
	}
	key := t.name + " " + id
	if n.was[key] == nil {
		if _, err := t.one(s.inside(), s.write, where(column+" = ?", id)); err != nil {
			return err
		}
	}
	n.list = append(n.list, change{kind: t.noun, object: t.object(id), before: n.was[key]})
	delete(n.was, key)
	return nil
}

// object returns an id as the audit log has it. That of a login key is the key.
func (t table[T]) object(id string) string {
	if t.name != loginKeys.name {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:8])
}

// cells returns a record's key, and its other columns.
func (t table[T]) cells(r *T) (id string, cells []cell) {
	fields := t.fields(r)
	names := strings.Split(t.columns, ", ")
	if t.covered > 0 { // the others are what devices do, or code, of which there is a hash
		names = names[:t.covered]
	}
	for i, name := range names[1:] {
		c := cell{name: name, value: plain(fields[i+1])}
		show := auditShows[name]
		if show == nil {
			show = hide
		}
		c.shown = show(c.value)
		cells = append(cells, c)
	}
	return fmt.Sprint(plain(fields[0])), cells
}

// plain returns a field as a value that can be compared.
func plain(field any) any {
	switch f := field.(type) {
	case *words:
		text, err := f.Value()
		if err != nil {
			panic(err) // a list of texts can always be marshalled
		}
		return text
	case *milli:
		if time.Time(*f).IsZero() {
			return nil
		}
		return time.Time(*f).UTC().Format("2006-01-02T15:04:05.000Z")
	case *optional:
		return string(*f)
	case driver.Valuer:
		v, err := f.Value()
		if err != nil {
			panic(err) // numbers and bytes are always values
		}
		if b, ok := v.([]byte); ok {
			return string(b)
		}
		return v
	}
	switch v := reflect.ValueOf(field).Elem(); v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Slice:
		return string(v.Bytes())
	default:
		return v.Interface()
	}
}

// hide stands for a value that is or may be a secret.
func hide(v any) any {
	if v == nil || v == "" {
		return ""
	}
	return "(not shown)"
}

func show(v any) any { return v }

// showNames shows the names of a JSON object's members: environment variables have secrets.
func showNames(v any) any {
	var all map[string]json.RawMessage
	if text, ok := v.(string); !ok || json.Unmarshal([]byte(text), &all) != nil {
		return hide(v)
	}
	return slices.Sorted(maps.Keys(all))
}

// showOrigin shows where a URL leads: its path and query may be secrets.
func showOrigin(v any) any {
	u, err := url.Parse(fmt.Sprint(v))
	if err != nil {
		return hide(v)
	}
	return u.Scheme + "://" + u.Host
}

func showWords(v any) any {
	var list []string
	if text, ok := v.(string); !ok || json.Unmarshal([]byte(text), &list) != nil {
		return hide(v)
	}
	return list
}

// auditShows says how the audit log shows columns. Those that are not here are hidden, so that a
// new one has to be judged first.
var auditShows = func() map[string]func(any) any {
	shows := map[string]func(any) any{"env": showNames, "url": showOrigin, "tags": showWords}
	for name := range strings.FieldsSeq(`id member owner product device_group device agent role creator created updated
		expires used used_by username email administrator account name description usages type region
		load_after_blessing validate_tls production_target dut_target current min_supported version sha device_sha
		agent_sha origin flagger event content_type mac enrolled rotation revoked began deadline handed subject issuer
		enabled step login_until changed`) {
		shows[name] = show
	}
	return shows
}()
