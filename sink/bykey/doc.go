// Package bykey reads what a job has committed for some key values of a flow, and leaves the rows of all others where they are.
//
// # Promise
//
// A flow has a folder for each combination of key values ([sink.Flow].Keys), such as advertiser=17/. A [Reader] yields the
// transactions of a job in their order, each with the rows of the keys that its caller names: whole transactions, each once,
// and the same again for the same position. So a worker that stores [Unit].Entry together with what it made of the rows, and
// passes it the next time, has each row once, however often it is killed.
//
// It reads files where a transaction has made files, and ranges of packs where the flow is merged ([sink.Flow].Merge): the list
// of a pack's segments once for all keys of a Reader, then one range for a key, which has at least 256 KiB of rows of its
// neighbours, too. [Reader.Hours] does the same for hours that are sealed.
//
// # Limits
//
// Packs are deleted some time after their hour was sealed. A reader that is behind by more than that gets a [*GoneError],
// which says how to go on. Late rows of a merged flow are in no folder of a key: see [Options].Late.
//
// # Way in
//
// [Open] a Reader, and range over [Reader.Transactions].
package bykey
