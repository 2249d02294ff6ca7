package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

type auditCmd struct {
	nodeFlags
	placeFlags
	All   bool          `help:"Of all accounts; only administrators can."`
	Actor string        `placeholder:"NAME" help:"Only what this account has changed."`
	Since time.Duration `placeholder:"DURATION" help:"Only what is newer, such as 24h; by default all that is kept."`
	JSON  bool          `name:"json" help:"Print each entry as JSON, on one line."`
}

// auditEntry is one as the API shows it.
type auditEntry struct {
	ID         string `json:"id"`
	Attributes struct {
		At     time.Time      `json:"at"`
		Actor  *string        `json:"actor"`
		Source string         `json:"source"`
		Action string         `json:"action"`
		Kind   *string        `json:"kind"`
		Object *string        `json:"object"`
		Before map[string]any `json:"before"`
		After  map[string]any `json:"after"`
	} `json:"attributes"`
	Relationships map[string]struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"relationships"`
}

func (c *auditCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	filter := "&filter[owner.id]=any"
	if !c.All {
		if _, filter, err = c.place(ctx, api); err != nil {
			return err
		}
	}
	next := "/audit?page[size]=100" + filter
	for next != "" {
		var page struct {
			Data  []auditEntry
			Links map[string]string
		}
		if err := api.do(ctx, "GET", next, nil, &page); err != nil {
			return err
		}
		for _, e := range page.Data {
			if c.Since > 0 && time.Since(e.Attributes.At) > c.Since {
				return nil // they come the newest first
			}
			if actor := e.Attributes.Actor; c.Actor != "" && (actor == nil || !strings.EqualFold(*actor, c.Actor)) {
				continue
			}
			if err := c.print(s.out, e); err != nil {
				return err
			}
		}
		_, next, _ = strings.Cut(page.Links["next"], "/v5")
	}
	return nil
}

func (c *auditCmd) print(w io.Writer, e auditEntry) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(e)
	}
	a := e.Attributes
	text := func(p *string, none string) string {
		if p == nil {
			return none
		}
		return *p
	}
	_, err := fmt.Fprintf(w, "%s  %s from %s: %s\n", a.At.Local().Format(time.DateTime),
		cmp.Or(text(a.Actor, "a device"), "a device"), a.Source, a.Action)
	if a.Kind != nil || a.Object != nil {
		_, err = fmt.Fprintf(w, "    %s\n", strings.TrimSpace(text(a.Kind, "")+" "+text(a.Object, "")))
	}
	names := map[string]bool{}
	for _, side := range []map[string]any{a.Before, a.After} {
		for name := range side {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := shown(a.Before, name), shown(a.After, name)
		if (before == "" || before == `""`) && (after == "" || after == `""`) {
			continue
		}
		_, err = fmt.Fprintf(w, "    %s: %s → %s\n", name, cmp.Or(before, "-"), cmp.Or(after, "-"))
	}
	return err
}

// shown is a value of an entry as JSON, "" if there is none.
func shown(side map[string]any, name string) string {
	v, ok := side[name]
	if !ok {
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON
	}
	return string(data)
}
