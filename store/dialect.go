package store

import (
	"strconv"
	"strings"
	"sync"
)

// Queries are written for both databases, with question marks, or a question
// mark and a number, as parameters. The code for the differences is here.

// dialect rewrites queries for PostgreSQL, and caches the results.
type dialect struct {
	known sync.Map // string to string
}

func (d *dialect) query(text string) string {
	if known, ok := d.known.Load(text); ok {
		return known.(string)
	}
	query := dollars(text)
	d.known.Store(text, query)
	return query
}

// dollars returns a query with PostgreSQL's parameters: $1 and so on. As in
// SQLite, a parameter without a number gets the number after the largest so far.
func dollars(query string) string {
	var b strings.Builder
	last := 0
	quoted := false
	for i := 0; i < len(query); i++ {
		c := query[i]
		if c == '\'' {
			quoted = !quoted
		}
		if c != '?' || quoted {
			b.WriteByte(c)
			continue
		}
		end := i + 1
		for end < len(query) && '0' <= query[end] && query[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(query[i+1 : end])
		if err != nil { // no digits
			n = last + 1
		}
		last = max(last, n)
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		i = end - 1
	}
	return b.String()
}

// tagged is the condition that a record has a tag.
func (s *Store) tagged() string {
	if s.postgres != nil {
		return "EXISTS (SELECT 1 FROM json_array_elements_text(tags::json) AS t (value) WHERE value = ?)"
	}
	return "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"
}
