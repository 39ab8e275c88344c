package fetch

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/record"
)

// part is a partition that the group gave us. Reader.mu guards the fields that change.
type part struct {
	lane  *lane
	topic string
	num   int32
	id    [16]byte // of the topic
	name  *record.Partition

	plan *plan // nil before Start

	// Where to fetch. A new route voids the answers that are still to come on the old one.
	broker  int32 // -1 is unknown
	epoch   int32 // of the leader, never back
	replica int32 // that the leader said to read instead; -1 is none
	route   uint64
	asked   bool  // a request for it is under way on this route
	working *loop // that has taken over an answer and not pushed it yet
	look    bool  // LookUp must find out where to go on

	out  int   // deliveries that are being decoded or wait for Poll
	size int64 // what one fetch is expected to bring, in memory
	want int32 // bytes to ask for

	lastStable int64 // as of the last answer; -1 before it
	end        end

	marks  []mark // times of records that are not committed, ascending by offset
	health health
}

// end is where a log ended at a time: once all before it is delivered, all that had come by then is. Times of records do not
// tell that, since producers set them. There is one at a time, so that of a partition that is behind takes as long to be
// reached as it is behind. A follower's log may end a moment before its leader's.
type end struct {
	offset int64
	asked  time.Time // when the broker was asked; zero is none
}

// health is what is wrong with a partition, or may be.
type health struct {
	broken   error     // halted here
	good     time.Time // when the broker last gave a usable answer, or had no reason to
	bad      error     // the last error since
	open     time.Time // since when an open transaction is all that follows
	openTold time.Time // the open that was logged
	beyond   int       // how often the log was found to end before our position
}

func newPart(l *lane, p *cluster.Part) *part {
	name, want := p.Name, l.r.opts.FetchBytes
	return &part{
		lane: l, topic: p.Topic, num: p.Num, id: p.TopicID, name: &name,
		broker: -1, epoch: -1, replica: -1, size: int64(want), want: want, lastStable: -1,
	}
}

// active reports whether records of p are wanted.
func (p *part) active() bool {
	l := p.lane
	return l.started && !l.gone && p.plan != nil && !p.plan.done && p.health.broken == nil
}

// reroute forgets where p is read, and voids all answers in progress.
func (p *part) reroute(broker int32) {
	p.broker = broker
	p.route++
	p.asked = false
}

// stable returns the last stable offset of the newest fetch: a readable batch cannot extend past it. The loop that works on
// the partition may call it without the lock.
func (p *part) stable() int64 { return p.lastStable }

// lost makes the error for offsets that are gone.
func (p *part) lost(from, to int64, format string, args ...any) error {
	return &fault.Lost{Partition: *p.name, From: from, To: to, Why: fmt.Sprintf(format, args...)}
}
