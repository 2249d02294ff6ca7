package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestLists: rows are selected and ordered by what their columns show.
func TestLists(t *testing.T) {
	type thing struct{ Name, Count string }
	columns := []column[thing]{
		{"name", func(x thing) string { return x.Name }}, {"count", func(x thing) string { return x.Count }},
	}
	all := []thing{{"b/1", "10"}, {"a", "9"}, {"ab", "x\x1b[2Jy"}}
	for _, tc := range []struct {
		flags listFlags
		want  string // names, or an error
	}{
		{listFlags{}, "b/1 a ab"},
		{listFlags{Sort: "name"}, "a ab b/1"},
		{listFlags{Sort: "COUNT"}, "a b/1 ab"},
		{listFlags{Sort: "count", Reverse: true}, "ab b/1 a"},
		{listFlags{Filter: []string{"name=a*"}}, "a ab"},
		{listFlags{Filter: []string{"name!=a*"}}, "b/1"},
		{listFlags{Filter: []string{"name=b*"}}, "b/1"},
		{listFlags{Filter: []string{"name=a*", "count=9"}}, "a"},
		{listFlags{Filter: []string{"name=none"}}, ""},
		{listFlags{Filter: []string{"nam=x"}}, "--filter: there is no column nam; did you mean name?"},
		{listFlags{Filter: []string{"name"}}, "write COLUMN=PATTERN"},
		{listFlags{Filter: []string{"name=[a"}}, "a [ without a ]"},
		{listFlags{Sort: "size"}, "--sort: there is no column size The columns are name, count"},
	} {
		var out bytes.Buffer
		err := listed(&streams{out: &out, quiet: true}, tc.flags, all, columns)
		got := strings.Join(strings.Fields(out.String()), " ")
		if err != nil {
			got = err.Error()
		}
		if got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("%+v: %q, want %q", tc.flags, got, tc.want)
		}
	}
	var out bytes.Buffer
	err := listed(&streams{out: &out}, listFlags{}, all, columns)
	if err != nil || strings.Contains(out.String(), "\x1b") {
		t.Errorf("a name can control the terminal: %q %v", out.String(), err)
	}
	out.Reset()
	err = listed(&streams{out: &out, json: true}, listFlags{}, []thing(nil), columns)
	if err != nil || out.String() != "[]\n" {
		t.Errorf("an empty list is %q %v", out.String(), err)
	}
}

// TestProgress: a bar appears when something takes long, and goes away.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	began := time.Unix(0, 0)
	p := &progress{w: &out, what: "Making", total: 4, began: began}
	p.show(1, began.Add(barAfter/2))
	if out.Len() > 0 {
		t.Errorf("at once: %q", out.String())
	}
	p.show(2, began.Add(barAfter))
	if !strings.HasSuffix(out.String(), "2 of 4") {
		t.Errorf("half: %q", out.String())
	}
	if p.end(); !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("at the end: %q", out.String())
	}
}

// TestNearest: a name that was mistyped is recognised, and one that is another is not.
func TestNearest(t *testing.T) {
	names := []string{"production", "pre-production", "dev", "kitchen"}
	for name, want := range map[string]string{
		"prodution": "production", "prodcution": "production", "Production": "production", "kitchne": "kitchen",
		"prod": "production", "dve": "dev", "garden": "", "x": "", "": "", "develop": "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
