package protocol

// bugs are mistakes that the protocol once had, or could have. Only tests
// switch them on, to show that they would be noticed; bugs_test.go lists the
// test that notices each.
type bugs struct {
	// Link
	trustOldOwner  bool // a message of an earlier owner is given to the device
	forgetUnacked  bool // messages are not sent again to a new owner
	openAtNewest   bool // an Open names the next message instead of the oldest unhandled one
	closeOnce      bool // a close that went to the wrong node is not repeated
	doubtOwner     bool // an End of the present owner is refused when its epoch is old
	forgetHello    bool // a new owner is not told the device's hello
	silentLoss     bool // a message that was refused is not reported when the link ends
	restlessRebind bool // no back-off between attempts
	loseAtEnd      bool // a message that arrives after the end of its link is lost silently
	loseUnsent     bool // a message that the gateway does not take is lost silently
	leaveHoles     bool // a new owner waits for numbers of messages that were handled before
	keepTold       bool // messages of a lost run of this node count as received
	takeAnyClosed  bool // the answer to an earlier Close ends a link that has had more to say since

	// Guests
	takeStrangers   bool // messages on a link that was not opened are taken
	answerUnknown   bool // an Open of a run that is not in the table is taken
	loseByName      bool // a lost run also ends the links of the node's next run
	forgetArrivals  bool // the run of a link that moved here with its pair is forgotten
	keepGivenLinks  bool // a link whose pair has left still counts as open
	trustNextRun    bool // the end of a link is trusted to be complete when its node's next run sends it
	forgetRefused   bool // a link is forgotten when one of its messages is refused
	trustLost       bool // a lost run counts as one that has told all losses of its links
	keepReturned    bool // a link whose pair has left and come back is not opened again
	overtakeInGuest bool // messages of one link are given to the host side by side

	// Calls
	waitForOldRun  bool // a call keeps waiting when this node's run has ended
	followLast     bool // the last Taken that arrives counts, not the one with the highest epoch
	repeatAll      bool // requests that may have been done are repeated, whatever their method
	serveWhenEmpty bool // an empty node serves later requests
	emptyIsLost    bool // requests that an empty node has not answered count as possibly done
	emptyOnce      bool // an empty node does not tell those that join
	askTheLost     bool // a call waits for a run that is known to be lost

	// Moves
	keepTakenBack   bool // an offer that was withdrawn while it was prepared stays
	countHigher     bool // higher epochs mean that a move happened, whichever node owns the shards
	believeFailure  bool // a handover that failed counts as one that did not happen
	lookUpNothing   bool // the owner is not looked up when a handover is not confirmed
	openUnasked     bool // the new owner does not check which other agents should run
	ignoreFlush     bool // the owner changes although a gateway has not received all messages
	takeAtEnd       bool // a node that is stopping takes offers
	breakOff        bool // a node that is stopping refuses the rest of an offer that it has begun to take
	forgetOffers    bool // a node that is stopping does not wait for offers that it has begun to take
	restlessMoves   bool // no back-off after a move that failed
	staySlow        bool // a move that succeeded does not end the back-off
	goBeforeFlush   bool // the owner changes before the gateways have received all messages
	tellOnlyOnce    bool // only the old owner sends Taken
	missLostInMove  bool // agents on their way are not told of a node that is lost
	dropExport      bool // agents that are being stopped for a node that is lost are forgotten
	activateAnyTime bool // agents are activated by any Go, whatever its epoch

	// Member
	leaseFromAnswer bool // a lease is counted from the answer, not from the query
	waitToAbandon   bool // the next registration waits for agents, which wait for a lease
	planWithoutAble bool // shards without an owner wait for a node that is not drained
	forgetUndrain   bool // the other nodes are not told of an undone drain
	loseStale       bool // a run is lost when a table that is older than it does not have it

	// News
	forgetNews bool // news is not repeated for agents that had no owner
	oldNodes   bool // nodes that join are not told
	onlyAlive  bool // a node whose lease has run out is not told
}
