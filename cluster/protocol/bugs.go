package protocol

// bugs are mistakes that the protocol once had, or could have. Only tests
// switch them on, to show that they would be noticed; bugs_test.go has the
// table.
type bugs struct {
	// Link
	trustOldOwner  bool // a message of an earlier owner is given to the device
	forgetUnacked  bool // messages are not sent again to a new owner
	openAtNewest   bool // an introduction names the next message instead of the oldest that is not handled
	closeOnce      bool // a close that went to the wrong node is not repeated
	forgetHello    bool // a new owner is not told what the device is
	silentLoss     bool // a message that was refused is not reported when the link ends
	restlessRebind bool // no back-off between attempts
	loseAtEnd      bool // a message that meets the end of its link is lost without a word
	leaveHoles     bool // a new owner waits for numbers that were handled before
	keepTold       bool // what a lost run of this node has told counts as told

	// Guests
	takeStrangers   bool // messages by a link that was not introduced are taken
	answerUnknown   bool // an introduction by a run that is not in the table is taken
	loseByName      bool // a lost run takes the links of the node's next run along
	forgetArrivals  bool // a link that came with its pair is not known to be its run's
	keepGivenLinks  bool // a link whose pair has left is still taken for introduced
	forgetRefused   bool // a link is forgotten when one of its messages is refused
	overtakeInGuest bool // messages of one link are given to the host side by side

	// Calls
	waitForOldRun  bool // a call goes on waiting when this node's run is over
	followLast     bool // the last word about where a request is counts, not the newest
	repeatAll      bool // what may have been done is asked again
	serveWhenEmpty bool // an emptied node serves what comes later
	emptyIsLost    bool // what an emptied node has not answered counts as perhaps done
	askTheLost     bool // a run that is known to be lost is waited for

	// Moves
	keepTakenBack   bool // an offer that was withdrawn while it was prepared stands
	countHigher     bool // higher epochs mean that a move took place, whoever has the shards
	believeFailure  bool // a handover that failed counts as one that did not take place
	lookUpNothing   bool // the owner is not looked up when a handover is not confirmed
	openUnasked     bool // who is given agents does not look which others ought to run
	ignoreFlush     bool // the owner changes although a gateway has not heard all
	takeAtEnd       bool // a node that is emptied for good takes offers
	breakOff        bool // it refuses the rest of an offer that it has begun to take
	forgetOffers    bool // what may still come here is not waited for
	restlessMoves   bool // a move that failed is tried again as soon as the first was
	staySlow        bool // a move that took place does not end the back-off
	goBeforeFlush   bool // the owner changes before the gateways have heard all
	tellOnlyOnce    bool // only the first owner says where a request went
	missLostInMove  bool // agents on their way do not hear of a node that is lost
	dropExport      bool // agents that are being stopped for a node that is lost are forgotten
	activateAnyTime bool // agents go on when the old owner says so, whatever epoch it names

	// Member
	leaseFromAnswer bool // a lease is counted from the answer, not from the question
	waitToAbandon   bool // the next registration waits for agents, which wait for a lease
	planWithoutAble bool // shards without an owner wait for a node that is not being drained
	forgetUndrain   bool // an undone drain is not told to the others
	loseStale       bool // a table that is older than what is known of a run loses it

	// News
	forgetNews bool // what was said of agents without an owner is not said again
	oldNodes   bool // nodes that join are not told
	onlyAlive  bool // a node whose lease has run out is not told
}
