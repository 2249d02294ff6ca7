package mqtt

import "strings"

// ValidTopic reports whether topic is valid for publishing.
func ValidTopic(topic string) bool {
	return topic != "" && len(topic) <= maxText && !strings.ContainsAny(topic, "+#\x00")
}

// ValidFilter reports whether filter is valid for subscribing: a wildcard must be alone in
// its level, and '#' must be in the last one.
func ValidFilter(filter string) bool {
	if filter == "" || len(filter) > maxText || strings.IndexByte(filter, 0) >= 0 {
		return false
	}
	for more := true; more; {
		var level string
		level, filter, more = strings.Cut(filter, "/")
		if strings.ContainsAny(level, "+#") && (len(level) > 1 || level == "#" && more) {
			return false
		}
	}
	return true
}

// Shared reports whether filter is a v5 shared subscription, and whether it is a valid
// one.
func Shared(filter string) (shared, valid bool) {
	rest, shared := strings.CutPrefix(filter, "$share/")
	if !shared {
		return false, false
	}
	name, filter, found := strings.Cut(rest, "/")
	return true, found && name != "" && !strings.ContainsAny(name, "+#") && ValidFilter(filter)
}

// Match reports whether a valid topic matches a valid filter. Topics that begin
// with '$' are not matched by filters that begin with a wildcard.
func Match(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	for {
		want, restFilter, moreFilter := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		have, restTopic, moreTopic := strings.Cut(topic, "/")
		if want != "+" && want != have {
			return false
		}
		if !moreTopic {
			return !moreFilter || restFilter == "#" // "a/#" also matches "a"
		}
		if !moreFilter {
			return false
		}
		filter, topic = restFilter, restTopic
	}
}
