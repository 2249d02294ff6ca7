package tandem

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestNames: the wire forms of names that are likely, or at an edge.
func TestNames(t *testing.T) {
	for name, wire := range map[string]string{
		"":                    "",
		"reading":             "reading",
		"a/b":                 "a/b",
		"/":                   "/",
		"$SYS/x":              "$SYS/x",
		"two words, é, 日本, 😀": "two words, é, 日本, 😀",
		"+":                   "%2B",
		"a#":                  "a%23",
		"50%":                 "50%",
		"100% of it":          "100% of it",
		"%%":                  "%%",
		"%41":                 "%2541",
		"%4":                  "%4",
		"%aF":                 "%25aF",
		"%>":                  "%25>",
		"%>.":                 "%>.",
		"%%>":                 "%%25>",
		"%+":                  "%%2B",
		"%4+1":                "%4%2B1",
		"a\x00b\n\x7f":        "a%00b%0A%7F",
		"\u0080\u009f\u00a0":  "%C2%80%C2%9F\u00a0",
		"\xff\xc3":            "%FF%C3",
		"\xc3é":               "%C3é",
		"\ufffd\ufffe\uffff":  "\ufffd%EF%BF%BE%EF%BF%BF",
		"\ufdd0\U0001ffff":    "%EF%B7%90%F0%9F%BF%BF",
		"\ufeffx":             "\ufeffx",
	} {
		if got := EscapeName(name); got != wire {
			t.Errorf("%q is written %q, not %q", name, got, wire)
		}
		if got := UnescapeName(wire); got != name {
			t.Errorf("%q is read as %q, not %q", wire, got, name)
		}
	}
	for text, name := range map[string]string{"%61": "a", "%e9": "\xe9", "%": "%", "%zz%": "%zz%", "a%2b": "a+"} {
		if got, _, _ := ReadTopic("agent/", "agent/"+text, nil); UnescapeName(got) != name || got != EscapeName(name) {
			t.Errorf("%q is read as %q", text, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { EscapeName("temperature/kitchen 50%") }); n != 0 {
		t.Errorf("an ordinary name takes %v allocations", n)
	}
}

// names generates strings of what is special in names, with some that are long.
func names() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"+", "#", "/", "%", "%25", "%2", "%>", ">", "\x00", "\n", "$", "\xff", "\xe2\x82", "é", "\ufffe", "25",
		}),
		rapid.String(), rapid.StringN(1, 1, 4),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		if rapid.IntRange(0, 3).Draw(t, "long") == 0 {
			s += strings.Repeat(rapid.SampledFrom([]string{"x", "é", "+", "%", "%2", "😀"}).Draw(t, "filling"),
				rapid.IntRange(8000, 70000).Draw(t, "times"))
		}
		return s
	})
}

// strict reports whether the strictest clients take a topic: MQTT forbids some characters
// and advises against others, for which mosquitto ends the connection.
func strict(topic string) bool {
	return topic != "" && len(topic) <= TopicSize && utf8.ValidString(topic) &&
		!strings.ContainsFunc(topic, func(r rune) bool {
			return r == '+' || r == '#' || unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Noncharacter_Code_Point, r)
		})
}

// Any name and data come out of a topic and payload as they went in.
func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := names().Draw(t, "name")
		data := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")
		wire := EscapeName(name)
		topic, payload := WriteTopic("device/"+wire, data)
		if !strict(topic) {
			t.Fatalf("the topic of %q is %q", name, topic)
		}
		got, rest, ok := ReadTopic("device/", topic, payload)
		if !ok || got != wire || UnescapeName(got) != name || !bytes.Equal(rest, data) {
			t.Fatalf("%q with % x came out as %q (%q) with % x", name, data, UnescapeName(got), got, rest)
		}
	})
}

// Two names never have one wire form.
func TestNamesDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := names().Draw(t, "a"), names().Draw(t, "b")
		if a != b && EscapeName(a) == EscapeName(b) {
			t.Fatalf("%q and %q are both %q", a, b, EscapeName(a))
		}
	})
}

// FuzzReadTopic: whatever a client writes into a topic is a name or refused, and a name in
// its wire form can be written again.
func FuzzReadTopic(f *testing.F) {
	for _, topic := range []string{"agent/", "agent/a/b", "agent/%2b%", "agent/a%>", "agent/%", "log", "agent/\xff\x00"} {
		f.Add(topic, []byte("rest%\n{}"))
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		wire, data, ok := ReadTopic("agent/", topic, payload)
		if !ok {
			if strings.HasPrefix(topic, "agent/") {
				t.Fatalf("%q is refused", topic)
			}
			return
		}
		if EscapeName(UnescapeName(wire)) != wire {
			t.Fatalf("%q is no wire form", wire)
		}
		if !bytes.HasSuffix(payload, data) {
			t.Fatalf("data %q of payload %q", data, payload)
		}
		again, payload := WriteTopic("agent/"+wire, data)
		got, data2, ok := ReadTopic("agent/", again, payload)
		if !strict(again) || !ok || got != wire || !bytes.Equal(data, data2) {
			t.Fatalf("%q is written %q and read as %q", wire, again, got)
		}
	})
}
