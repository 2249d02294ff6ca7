package main

import "testing"

func TestSettle(t *testing.T) {
	for _, test := range []struct {
		saved, acked, highest, now, lost int
	}{
		{0, 0, 0, 0, 0},
		{10, 5, 15, 15, 0},
		{10, 5, 15, 17, 0}, // two more had no answer
		{10, 5, 15, 14, 1},
		{10, 5, 16, 15, 1}, // an answer counted a save that had no answer itself
		{10, 0, 0, 9, 1},
	} {
		s := subject{saved: test.saved, acked: test.acked, highest: test.highest}
		if lost := s.settle(test.now); lost != test.lost {
			t.Errorf("%+v: lost %d", test, lost)
		}
	}
}

func TestComparePosts(t *testing.T) {
	for _, test := range []struct {
		kept, acknowledged []int
		asked, missing     int
		wrong              bool
	}{
		{nil, nil, 3, 0, false},
		{[]int{1, 2, 3}, []int{1, 3}, 3, 0, false},
		{[]int{1, 2}, []int{1, 2, 3}, 3, 1, false},
		{[]int{1, 3, 3}, nil, 3, 0, true},
		{[]int{2, 1}, nil, 3, 0, true},
		{[]int{4}, nil, 3, 0, true},
	} {
		missing, err := comparePosts(test.kept, test.acknowledged, test.asked)
		if missing != test.missing || (err != nil) != test.wrong {
			t.Errorf("%+v: missing %d, %v", test, missing, err)
		}
	}
}
