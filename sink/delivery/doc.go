// Package delivery brings what a job has committed to other systems, each row once: to tables, warehouses, search, queues.
//
// # Guarantee
//
// A [Delivery] reads the transactions of a job, or its sealed hours, in their order, and hands each to a [Target] as a
// [Unit]: all rows of a unit become visible in the target, or none, and once, whatever crashes and however many processes run
// the same delivery. It holds if the Target keeps its contract, in one of two ways:
//
//   - It keeps the cursor itself, and moves it in the transaction that loads the rows ([Keeper]). PostgreSQL does.
//   - It refuses the name of a unit that it has loaded before. Then the cursor lies beside the ledger, in objects that are
//     created once and never changed.
//
// deliverytest.Run checks a Target. A [Func] is a Target, too: it is right if it knows a unit by its ID.
//
// # Limits
//
// A delivery never writes to the job's ledger, and a target that is away costs the job nothing: units wait where they are, in
// the store. Dead letters and notes of stages are not delivered. Late rows are delivered with transactions, and not with hours, since a sealed
// hour has none. A job that merges the files of an hour (sink.Flow.Merge) has its rows in packs until the hour is sealed. It is
// delivered by the hour as files, or by transaction to a target that takes decoded rows, see [Options].Decoded.
//
// # Way in
//
// [Open], then [Delivery.Run]. docs/delivery.md has the whole.
package delivery
