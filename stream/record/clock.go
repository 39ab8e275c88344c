package record

import "time"

// Clocks are what the ledger says of event time.
type Clocks struct {
	Lane Clock // of this lane
	Job  Clock // of all partitions of the job, in whatever process
}

// Clock is how far event time has got in a set of partitions. Its fields are zero until every partition of the set has
// a value.
type Clock struct {
	MaxEventTime time.Time // the smallest Progress.MaxEventTime
	Pending      time.Time // event time of the oldest pending record; zero if none is pending
}

// EndOfTime is what Advancer gets when all partitions of a lane have ended for good.
var EndOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
