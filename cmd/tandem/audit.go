package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/central/client"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List who has changed what, and from where, the newest first."`
}

type auditListCmd struct {
	nodeFlags
	placeFlags
	listFlags
	All   bool          `help:"Of all accounts; only administrators can."`
	Since time.Duration `placeholder:"DURATION" help:"Only what is newer, such as 24h; by default all that is kept."`
}

func (c *auditListCmd) Run(ctx context.Context, s *streams) error {
	n, p, err := c.at(ctx, s, c.nodeFlags)
	if err != nil {
		return err
	}
	if c.All {
		p = client.Scope{}
	}
	var all []client.AuditEntry
	for e, err := range n.Audit(ctx, p) {
		if err != nil {
			return err
		}
		if c.Since > 0 && time.Since(e.At) > c.Since {
			break // they come the newest first
		}
		all = append(all, e)
	}
	return listed(s, c.listFlags, all, []column[client.AuditEntry]{
		{"id", func(e client.AuditEntry) string { return e.ID }},
		{"at", func(e client.AuditEntry) string { return at(e.At) }},
		{"actor", func(e client.AuditEntry) string { return cmp.Or(orNone(e.Actor), "a device") }},
		{"from", func(e client.AuditEntry) string { return e.Source }},
		{"action", func(e client.AuditEntry) string { return e.Action }},
		{"object", func(e client.AuditEntry) string { return strings.TrimSpace(orNone(e.Kind) + " " + orNone(e.Object)) }},
		{"changes", changesOf},
	})
}

func orNone(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// changesOf says what has become of each member of an object.
func changesOf(e client.AuditEntry) string {
	names := map[string]bool{}
	for _, side := range []map[string]any{e.Before, e.After} {
		for name := range side {
			names[name] = true
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := valueOf(e.Before, name), valueOf(e.After, name)
		if before != after {
			parts = append(parts, fmt.Sprintf("%s: %s → %s", name, cmp.Or(before, "-"), cmp.Or(after, "-")))
		}
	}
	return strings.Join(parts, ", ")
}

// valueOf is a member of an object as JSON, "" if there is none, or an empty one.
func valueOf(side map[string]any, name string) string {
	v, ok := side[name]
	if !ok || v == "" || v == nil {
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON
	}
	return string(data)
}
