// Package record has what the store keeps, as plain values, and the decisions
// about it, as functions of those values:
//
//	next, err := agent.Save(incarnation, table, mark) // refused when the incarnation is not the current one
//	next := posting.Next(post, now)                   // the number of a post
//	next, ok := shard.Assign(plan, able)              // what a plan may still change
//
// Nothing here reads a clock, a file or a database. Package store and the twin
// of it in memory share these functions, so a simulated cluster decides what a
// real one does. Where a decision needs no more than the row that it changes,
// package store writes it as one guarded statement, because reading the row
// first would cost a round trip; the comment at the statement names
// the function here, and the suite in store/storetest compares the two.
package record
