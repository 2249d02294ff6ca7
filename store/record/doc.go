// Package record has the store's records, as plain values, and the decisions
// about them, as functions of those values:
//
//	next, err := agent.Save(incarnation, table, mark) // refused when the incarnation is not the current one
//	next := posting.Next(post, now)                   // the number of a post
//	next, ok := shard.Assign(plan, able)              // ok: the plan still applies to the shard
//
// Nothing here reads a clock, a file or a database. Package store and its twin
// in memory share these functions, so a simulated cluster decides as a real one
// does. Where a decision needs only the row that it changes, package store writes
// it as one guarded statement, because reading the row first would cost a round
// trip; the comment at the statement names the function here, and the suite in
// store/storetest compares the two.
package record
