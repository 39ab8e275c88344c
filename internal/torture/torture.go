package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Options say how hard to torture.
type Options struct {
	Kills   int    // of workers, by SIGKILL
	Brokers int    // 1 or 3
	Store   string // "s3", "gcs" or "dir"
	Seed    uint64
	Rate    int    // records a second
	Dir     string // for logs and a copy of the bucket; kept if something is wrong
	Toxics  bool   // bad networks too
	Calm    bool   // kill workers only
	Only    string // beside that, do only what has this in its name
	Quick   bool   // end with the first hour that is sealed, not with the last

	Recovery    time.Duration // the longest that a recovery may take which no other fault is near; -1 is no limit
	BrokerEvery time.Duration // kill a broker this often, whatever else is done; 0 leaves it to chance
	Say         func(string, ...any)
}

// Report is what came of it.
type Report struct {
	Kills, Faults                        int
	Records, Lost, Doubled, Ghosts, Late int
	Sealed, EarlySeals                   int
	BrokerKills                          int           // of BrokerEvery
	Refused                              int           // workers that did not begin, since a fault was in their way
	Recoveries                           int           // kills with no other fault near them
	Recovery                             time.Duration // the worst after one of these
	Relief                               time.Duration // the worst after other faults, and kills on top of them, from their end on
	Wrong                                []string      // everything else
}

// String is the last line.
func (r *Report) String() string {
	return fmt.Sprintf("kills %d, records %d, lost %d, doubled %d, early seals %d, worst recovery %.1f s",
		r.Kills, r.Records, r.Lost, r.Doubled, r.EarlySeals, r.Recovery.Seconds())
}

// OK reports whether all that must hold holds.
func (r *Report) OK() bool {
	return r.Lost+r.Doubled+r.Ghosts+r.EarlySeals+len(r.Wrong) == 0
}

const (
	job      = "torture"
	hour     = time.Minute
	lateness = 15 * time.Second
	session  = 2 * time.Second
	commit   = 500 * time.Millisecond
	parts    = 4 // of each topic at first; partition 0 stays idle
)

var topics = [...]string{"hits", "views"}

// world is everything that runs, whatever the source is.
type world struct {
	o      *Options
	rnd    *rand.Rand
	rig    *rig
	crew   *crew
	log    *log
	watch  *watcher
	report *Report

	// What the source has to do with it.
	what    []fault                     // that may be done
	grow    func() error                // what is done once, after a third of the kills; may be nil
	mend    func(context.Context) error // starts the servers of the source that are dead; may be nil
	reached func(since time.Time) bool  // something can be read that was acknowledged after a moment, of all that is busy
	awaited string                      // what reached did not find the last time that it said no
}

func newWorld(o *Options, topics []string) *world {
	rnd := rand.New(rand.NewPCG(o.Seed, 1))
	return &world{o: o, rnd: rnd, rig: &rig{o: o, rnd: rnd}, log: newLog(topics), report: &Report{}}
}

// killAll ends the workers, if there are any.
func (w *world) killAll() {
	if w.crew != nil {
		w.crew.killAll()
	}
}

// run lets three workers and the producers run during the chaos, lets them settle, and judges.
func (w *world) run(ctx context.Context, producers []func(context.Context), chaos func(context.Context) error) error {
	producing, stopProducing := context.WithCancel(ctx)
	defer stopProducing()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var producer, watchers sync.WaitGroup
	for _, p := range producers {
		producer.Go(func() { p(producing) })
	}
	watchers.Go(func() { w.watch.run(watching) })
	for range 3 {
		if err := w.crew.add(); err != nil {
			return err
		}
	}
	err := chaos(ctx)
	stopProducing()
	producer.Wait()
	if err != nil {
		return err
	}
	err = w.settle(ctx)
	stopWatching()
	watchers.Wait()
	if err != nil {
		return err
	}
	return w.judge(ctx)
}
