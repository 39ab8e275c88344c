package main

// mutant is a planted mistake and where it should be noticed.
type mutant struct {
	id    string
	what  string   // the mistake
	tests []string // packages, the quickest first; behind a # which of their tests, if all would take long
}

// The numbers are those of the traps that docs/protocol.md names with its rules.
var mutants = []mutant{
	{"T01", "an append is validated against newly read entries only", in("internal/sim")},
	{"T02", "lateness is decided by the last committed low while transactions are pipelined", in("internal/sim", "sink")},
	{"T03", "after an unknown append the staging is deleted", in("internal/sim", "sink")},
	{"T04", "low is not capped by the time of held events", in("sink/ledger")},
	{"T05", "low is pulled back by a late record that is held", in("sink/ledger")},
	{"T06", "late by time instead of by hour", in("internal/sim", "sink")},
	{"T07a", "a replayed claim is not forced", in("dedup", "internal/sim")},
	{"T07b", "a stage before dedup may hold", in("stream")},
	{"T08", "IDs of held events expire", in("dedup", "internal/sim")},
	{"T09", "a claim that failed is taken for won", in("dedup")},
	{"T10", "partitions of one lane come to different members", in("stream/kafka#OfALane")},
	{"T11", "new records of a lane are taken before all held ones are back", in("stream")},
	{"T13", "rows of a held origin are written", in("stream")},
	{"T14a", "hours close by the ledger's partitions only", in("sink/ledger")},
	{"T14b", "hours close by a cached list of partitions", in("sink#ListedAnew")},
	{"T14c", "an instance with an old list of topics closes hours", in("sink/ledger", "internal/sim")},
	{"T15", "the first touch of a lane is not checked against a Close in between", in("sink/ledger")},
	{"T16", "the children of an ended partition are not known", in("sink/ledger")},
	{"T16b", "an ended partition with children sets no bound to event time", in("stream")},
	{"T16c", "a child of two parents is read once one of them has ended", in("internal/lineage", "internal/sim")},
	{"T16d", "a child is a lane of its own while its parent holds records", in("internal/lineage", "internal/sim")},
	{"T16e", "a child's local store of IDs is not filled from its parent", in("internal/lineage", "internal/sim")},
	{"T16f", "the end of a closed shard proves that nothing follows", in("stream/kinesis#AClosedShard", "internal/sim")},
	{"T16g", "an ended partition binds event time though its children are in the lane", in("stream/kinesis#HeldRecords")},
	{"T17a", "silence proves the end of a log", in("stream")},
	{"T17b", "the end of a log is proved at the time of a local clock", in("stream")},
	{"T17c", "a log ends where an open transaction begins", in("stream/kafka#ProvesTheEnd")},
	{"T18", "a transaction marker at the end keeps a log from ending", in("stream/kafka#ProvesTheEnd")},
	{"T19", "the sweeper deletes whatever is staged", in("sink/ledger")},
	{"T20", "a base names partitions instead of lanes", in("sink/ledger", "internal/sim")},
	{"T20b", "a partition leaves a lane without touching it", in("sink#Moved", "internal/sim")},
	{"T21", "a topic that is made again has its old partitions", in("stream/kafka#MadeAgain")},
	{"T21b", "a stream that is made again has its old shards", in("stream/kinesis#MadeAgain")},
	{"T22", "published marks wait for a later Commit", in("internal/sim", "sink")},
	{"T23", "the start hour comes from the first timestamp", in("sink/ledger")},
	{"T23b", "an event time that is missing is taken as it is", in("stream")},
	{"T24", "an entry that does not follow the last one is folded", in("sink/ledger")},
	{"T25", "clocks move while held records are coming back", in("sink/ledger")},
	{"T26", "an entry without progress leaves the lane's version alone", in("sink/ledger")},
	{"T27a", "an adoption keeps the token of the one before", in("internal/sim", "sink")},
	{"T27b", "one lane that went on is enough to sweep", in("sink/ledger")},
	{"T27c", "an owner lists only the lanes that it has just adopted", in("sink#WhileOneOfItsLanesIsHeld", "internal/sim")},
	{"T28", "Retire leaves the lane's version alone", in("sink/ledger")},
	{"T29", "anyone may write Config", in("sink/ledger")},
	{"T30a", "partitions are listed before the clock is read", in("sink#ClockIsRead")},
	{"T30b", "a Close does not wait for the lateness to pass", in("sink/ledger")},
	{"T31", "a local dedup store is kept after a void or a move", in("internal/sim")},
	{"T32", "a shared dedup store expires by one lane's clock", in("dedup")},
	{"T33", "a refill keeps the oldest copy of an ID", in("dedup", "internal/sim")},
	{"T34", "the time of a proof is read after the broker's answer", in("stream")},
	{"T35", "a Close does not wait for publication", in("sink/ledger")},
	{"T36a", "an unknown publish is taken for done", in("internal/sim", "sink")},
	{"T36b", "an occupied slot is taken for another's without comparing tokens", in("internal/sim", "sink")},
	{"T36c", "an entry that is not found settles its append", in("internal/sim", "sink")},
	{"T37", "void work is done again without reading progress again", in("internal/sim")},
	{"T38a", "a position in an aggregate stands for all of it", in("stream/kinesis#FromItsMiddle")},
	{"T38b", "a new iterator is made for where the reading began", in("stream/kinesis#TriedAgain")},
	{"T38c", "what retention took is passed over", in("stream/kinesis#RetentionTook")},
	{"T43", "a stage is told event time only when it moves", in("stream#ToldTheTimeAgain", "join#BehindTheClock")},
}

func in(packages ...string) []string { return packages }
