package protocol

import (
	"reflect"
	"testing"
)

// mistakes are the rows of DESIGN.md's tables, and others like them: each with the script
// that notices it.
var mistakes = []struct {
	name   string
	script string
	turnOn func(b *bugs)
}{
	{"a message of an earlier owner is given to the device", "link/stale_owner", func(b *bugs) { b.trustOldOwner = true }},
	{"messages are not sent again to a new owner", "link/follows_its_pair", func(b *bugs) { b.forgetUnacked = true }},
	{"an introduction names the newest message", "link/follows_its_pair", func(b *bugs) { b.openAtNewest = true }},
	{"a close that went to the wrong node is not repeated", "link/close", func(b *bugs) { b.closeOnce = true }},
	{"a new owner is not told what the device is", "link/hello", func(b *bugs) { b.forgetHello = true }},
	{"a message that was refused is not reported", "link/stale_owner", func(b *bugs) { b.silentLoss = true }},
	{"a message that meets the end of its link is lost", "link/late", func(b *bugs) { b.loseAtEnd = true }},
	{"an answer to an earlier close counts for the last", "link/closed_twice", func(b *bugs) { b.takeAnyClosed = true }},
	{"a message that the gateway does not take is lost", "link/unsent", func(b *bugs) { b.loseUnsent = true }},
	{"no back-off between attempts", "link/astray", func(b *bugs) { b.restlessRebind = true }},

	{"the present owner's wish to end a link is refused", "link/stale_owner", func(b *bugs) { b.doubtOwner = true }},
	{"a new owner waits for numbers that were handled before", "link/follows_its_pair", func(b *bugs) { b.leaveHoles = true }},
	{"what a lost run of this node has told counts as told", "link/abandoned", func(b *bugs) { b.keepTold = true }},

	{"messages by a link that was not introduced are taken", "guests/introduction", func(b *bugs) { b.takeStrangers = true }},
	{"an introduction by a node not in the table is taken", "guests/new_node", func(b *bugs) { b.answerUnknown = true }},
	{"a lost run takes the next run's links along", "guests/node_lost", func(b *bugs) { b.loseByName = true }},
	{"a link that came with its pair outlives its node", "guests/came", func(b *bugs) { b.forgetArrivals = true }},
	{"a link whose pair has left is still introduced", "guests/introduction", func(b *bugs) { b.keepGivenLinks = true }},
	{"the next run says of the one before that nothing was lost", "guests/next_run", func(b *bugs) { b.trustNextRun = true }},
	{"a refused message has its link outlive its node", "guests/keeps_its_run", func(b *bugs) { b.forgetRefused = true }},
	{"a lost run has nothing more to tell of its links", "guests/settled", func(b *bugs) { b.trustLost = true }},
	{"messages that wait with a pair that comes back are not acknowledged", "guests/returned", func(b *bugs) { b.keepReturned = true }},
	{"messages of a link overtake each other", "guests/in_order", func(b *bugs) { b.overtakeInGuest = true }},

	{"a call waits for an answer to an earlier run", "calls/own_run_over", func(b *bugs) { b.waitForOldRun = true }},
	{"the last word about a request counts", "calls/moves_twice", func(b *bugs) { b.followLast = true }},
	{"what may have been done is asked again", "calls/lost", func(b *bugs) { b.repeatAll = true }},
	{"an emptied node serves what comes later", "calls/serving", func(b *bugs) { b.serveWhenEmpty = true }},
	{"an emptied node counts as lost", "calls/emptied", func(b *bugs) { b.emptyIsLost = true }},
	{"an emptied node does not tell those that join", "calls/serving", func(b *bugs) { b.emptyOnce = true }},
	{"a run that is known to be lost is waited for", "calls/lost", func(b *bugs) { b.askTheLost = true }},

	{"an offer that was taken back is activated", "moves/stale_offer", func(b *bugs) { b.keepTakenBack = true }},
	{"shards that were taken back count as moved", "moves/back_unheard", func(b *bugs) { b.countHigher = true }},
	{"a handover that failed counts as one that did not happen", "moves/unconfirmed", func(b *bugs) { b.believeFailure = true }},
	{"the owner is not looked up", "moves/unconfirmed", func(b *bugs) { b.lookUpNothing = true }},
	{"no one looks which other agents ought to run", "moves/take", func(b *bugs) { b.openUnasked = true }},
	{"the owner changes before gateways have heard all", "moves/give", func(b *bugs) { b.goBeforeFlush = true }},
	{"the owner changes although a gateway has not heard all", "moves/flush_late", func(b *bugs) { b.ignoreFlush = true }},
	{"a node that is emptied for good takes offers", "moves/refuse", func(b *bugs) { b.takeAtEnd = true }},
	{"the rest of an offer that was begun is refused", "moves/refuse", func(b *bugs) { b.breakOff = true }},
	{"a node stops although agents may still come", "moves/refuse", func(b *bugs) { b.forgetOffers = true }},
	{"moves that fail do not back off", "moves/back_off", func(b *bugs) { b.restlessMoves = true }},
	{"a move that took place does not end the back-off", "moves/back_off", func(b *bugs) { b.staySlow = true }},
	{"the old owner does not say where requests went", "moves/give", func(b *bugs) { b.tellOnlyOnce = true }},
	{"agents on their way do not hear of a lost node", "moves/lost_on_the_way", func(b *bugs) { b.missLostInMove = true }},
	{"agents that are being stopped are forgotten", "moves/lost_while_stopping", func(b *bugs) { b.dropExport = true }},
	{"agents go on with any epoch", "moves/overtaken_offer", func(b *bugs) { b.activateAnyTime = true }},

	{"a lease counts from the answer", "member/lease", func(b *bugs) { b.leaseFromAnswer = true }},
	{"the next registration waits for agents", "member/lost", func(b *bugs) { b.waitToAbandon = true }},
	{"the last survivor takes no agents", "member/last_survivor", func(b *bugs) { b.planWithoutAble = true }},
	{"an undone drain is not told", "member/drain", func(b *bugs) { b.forgetUndrain = true }},
	{"an old table loses a new run", "member/newer_run", func(b *bugs) { b.loseStale = true }},

	{"news of agents without an owner is forgotten", "news/news", func(b *bugs) { b.forgetNews = true }},
	{"nodes that join are not told", "news/news", func(b *bugs) { b.oldNodes = true }},
	{"a node whose lease has run out is not told", "news/news", func(b *bugs) { b.onlyAlive = true }},
}

// TestMistakes switches each mistake on and expects the script to notice it, and not to
// complain without it.
func TestMistakes(t *testing.T) {
	covered := bugs{}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			if line := replay(t, m.script, bugs{}); line != "" {
				t.Fatalf("%s fails without the mistake, at %q: is the reader of scripts right?", m.script, line)
			}
			var b bugs
			m.turnOn(&b)
			m.turnOn(&covered)
			if replay(t, m.script, b) == "" {
				t.Errorf("%s does not notice it", m.script)
			}
		})
	}
	for i := range reflect.ValueOf(covered).NumField() {
		if !reflect.ValueOf(covered).Field(i).Bool() {
			t.Errorf("no script is named for the mistake %s", reflect.TypeOf(covered).Field(i).Name)
		}
	}
}
