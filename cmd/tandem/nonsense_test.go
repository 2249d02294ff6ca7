package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// guidePair returns the pair that the first guide writes.
func guidePair(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	block := regexp.MustCompile("(?ms)^```squirrel (agent|device)\n(.*?)^```$")
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		files[m[1]+".nut"] = m[2]
	}
	if len(files) != 2 {
		t.Fatalf("the guide has %d programs", len(files))
	}
	return files
}

// nonsense are bodies of requests that no program can mean well with.
func nonsense(members ...string) (all []string) {
	long := strings.Repeat("x", 70000)
	all = []string{"", "{", "null", "[]", "-1", "7", `"x"`, "{}", "maybe", "\xff\x00", `{"other": 1}`, long}
	for _, m := range members {
		for _, v := range []string{
			"-1", "0", "-0.0001", "1e-30", "1e30", "4294967297", "null", "true", "[]", "{}", `""`, `"-1"`, `"` + long + `"`,
		} {
			if m == "label" && v[0] == '"' && len(v) < 100 {
				continue // any text is a good one
			}
			all = append(all, `{"`+m+`": `+v+`}`)
		}
	}
	return all
}

// TestNonsense: the examples, and the pair of the first guide, refuse what makes no sense,
// say what they want, keep what they had, and go on.
func TestNonsense(t *testing.T) {
	for _, tc := range []struct {
		name   string
		files  map[string]string
		path   string // that takes what is below
		bodies []string
		good   string
		state  string // path
		keeps  string // of the state; a pattern
	}{
		{"thermostat", example(t, "thermostat"), "/target", nonsense("target"), `{"target": 21}`, "/state", `"target": ?21`},
		{"sync", example(t, "sync"), "", nonsense("period", "label"), `{"period": 2, "label": "x"}`, "", `"period": ?2,`},
		{"curl-device", example(t, "curl-device"), "/led", append(nonsense(), `{"on": true}`, "ON"), "", "", `^\{`},
		{"getting-started", guidePair(t), "", nonsense("period"), `{"period": 10}`, "", `"period": ?10`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := startDev(t, tc.files)
			if tc.good != "" {
				if status, body := p.request("POST", tc.path, tc.good); status != 200 {
					t.Fatalf("%s: %d %s", tc.good, status, body)
				}
			}
			for _, body := range tc.bodies {
				status, answer := p.request("POST", tc.path, body)
				if status != 400 || !strings.Contains(strings.ToLower(answer), "send ") {
					t.Errorf("%.60s: %d %.200s", body, status, answer)
				}
			}
			if got := p.get(tc.state); !regexp.MustCompile(tc.keeps).MatchString(got) {
				t.Errorf("afterwards the state is %s", got)
			}
			if n := p.count(`Agent (restarted|stopped)`); n != 0 {
				t.Errorf("the agent has restarted %d times", n)
			}
			p.stop()
		})
	}
}
