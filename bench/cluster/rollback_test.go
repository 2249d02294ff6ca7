package main

import "testing"

func TestCheckRescue(t *testing.T) {
	const (
		noticed = `time=1 level=ERROR msg="the database went back in time, as" gap="it is"` + "\n"
		saved   = `time=1 level=WARN msg="the newest state of this node's agents was saved again" agents=100 not_saved=`
		lacks   = `time=1 level=ERROR msg="the database lacks the device of an agent since" agent=a` + "\n"
		other   = `time=1 level=WARN msg="a node is gone" node=n3` + "\n"
	)
	for log, ok := range map[string]bool{
		noticed + other + saved + "0\n":                   true,
		noticed + saved + "3\n":                           false,
		noticed + lacks + saved + "0\n":                   false,
		saved + "0\n":                                     false,
		noticed + other:                                   false,
		noticed + saved + "0\n" + noticed + saved + "0\n": false,
	} {
		if err := checkRescue(log); (err == nil) != ok {
			t.Errorf("%q: %v", log, err)
		}
	}
}
