package board

import (
	"strings"
	"testing"
	"time"
)

// TestScript plays scripts second by second.
func TestScript(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "| | | | | "},
		{"pin1 = 1\n# then\npin2=1", "pin1 = 1,pin2=1| | | | | "},
		{"pin1 = 1\nwait 2 s\npin1 = 0\nwait 1 s\nuart57 < hello", "pin1 = 1| |pin1 = 0|uart57 < hello| | "},
		{"wait 1 s\npin1 = 1\nwait 1 second\npin1 = 0\nrepeat", "|pin1 = 1|pin1 = 0|pin1 = 1|pin1 = 0|pin1 = 1"},
		{"pin1 = 1\nwait 0.5 s\npin1 = 0\nwait 500 ms\nrepeat\n",
			"pin1 = 1|pin1 = 0,pin1 = 1|pin1 = 0,pin1 = 1|pin1 = 0,pin1 = 1|pin1 = 0,pin1 = 1|pin1 = 0,pin1 = 1"},
	} {
		s, line, err := ParseScript(tc.text, nil)
		if err != nil {
			t.Errorf("%q: line %d: %v", tc.text, line, err)
			continue
		}
		began := time.Unix(1e9, 0)
		p := s.Play(began)
		var seconds []string
		for i := range 6 {
			var texts []string
			due, _, _ := p.Take(began.Add(time.Duration(i) * time.Second))
			for _, step := range due {
				texts = append(texts, step.Text)
			}
			seconds = append(seconds, strings.Join(texts, ","))
		}
		if got := strings.Join(seconds, "|"); got != strings.ReplaceAll(strings.ReplaceAll(tc.want, "| ", "|"), "| ", "|") {
			t.Errorf("%q: %s, want %s", tc.text, got, tc.want)
		}
	}
}

// TestScriptLeavesOut: after a pause, as of a computer that slept, a script goes on where it would be.
func TestScriptLeavesOut(t *testing.T) {
	s, _, err := ParseScript("pin1 = 1\nwait 1 s\npin1 = 0\nwait 1 s\nrepeat", nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Unix(1e9, 0)
	p := s.Play(began)
	p.Take(began)
	due, next, more := p.Take(began.Add(time.Hour + 500*time.Millisecond))
	if len(due) != 2 || !more || !next.Equal(began.Add(time.Hour+time.Second)) {
		t.Errorf("%v, then %v, %v", due, next.Sub(began), more)
	}
}

// TestScriptMistakes: each mistake is found when the script is read, with its line.
func TestScriptMistakes(t *testing.T) {
	for text, want := range map[string]int{
		"pin1 = often": 1, "pin1 = 1\n\nwait": 3, "wait soon": 1, "wait 5": 1, "wait 20 years\nwait 20 years": 2,
		"pin1 = 1\nrepeat": 2, "wait 1 s\nrepeat\npin1 = 0": 3, "wait 1 s\npin1": 2, "repeat twice": 1,
		"wait -1 s": 1, "wait 0 s\nrepeat": 2,
	} {
		if _, line, err := ParseScript(text, nil); err == nil || line != want {
			t.Errorf("%q: line %d, %v, want line %d", text, line, err, want)
		}
	}
}
