package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// guideCode returns the one program of a guide that has a text in it.
func guideCode(t *testing.T, guide, has string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/" + guide)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```squirrel \\w+\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], has) {
			found = append(found, m[1])
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d programs with %s", guide, len(found), has)
	}
	return found[0]
}

// TestGuideSleep: the device of the guide that sleeps for most of the time sends what it has
// collected, though it has no link when it wakes.
func TestGuideSleep(t *testing.T) {
	code := strings.Replace(guideCode(t, "offline.md", "sleepfor"), "sleepfor(300)", "sleepfor(0.01)", 1)
	p := startDev(t, map[string]string{
		"agent.nut":  `device.on("readings", @(all) server.log("readings: " + all.len()));`,
		"device.nut": code,
	})
	for range 2 {
		p.expect(`\[Agent\] readings: 12$`)
	}
}

// TestGuideWanted: the device of the guide has the state that is wanted, when its program
// starts on a link that is there already, too.
func TestGuideWanted(t *testing.T) {
	p := startDev(t, map[string]string{
		"agent.nut":  guideCode(t, "offline.md", "wanted <- server.load()"),
		"device.nut": `agent.on("wanted", @(w) server.log("wanted: " + w.on)); agent.send("hello", null);`,
	})
	p.expect(`\[Device\] wanted: false$`)
	if status, body := p.request("POST", "", "on"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	p.expect(`\[Device\] wanted: true$`)
	if status, _ := p.request("POST", "", "perhaps"); status != 400 {
		t.Errorf("nonsense: %d", status)
	}
}
