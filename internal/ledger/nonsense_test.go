package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// What no right author writes is never void but a fault, so that it is neither written nor tried again.
func TestNonsenseIsRefused(t *testing.T) {
	base := func(t *testing.T) *State {
		s := newState(t)
		must(t, s, commit(lane(s, "a", 10, clock("10:20"), clock("10:00")).pending(clock("10:00"), 4, 7), lane(s, "b", 3, clock("10:15"), clock("10:00"))))
		return s
	}
	// step is a right step of lane a, for the cases to spoil: 2 more records, 4 finishes.
	step := func(s *State) *Entry {
		return commit(lane(s, "a", 12, clock("10:30"), clock("10:05")).pending(clock("10:05"), 7, 12))
	}
	if s := base(t); true {
		must(t, s, step(s))
	}
	for name, spoil := range map[string]func(e *Entry, p *PartitionCommit){
		"up to goes back": func(_ *Entry, p *PartitionCommit) {
			p.Progress.UpTo, p.Read, p.Progress.Pending.Through = pos(9), 0, 3
			p.Progress.Pending.Ordinals, p.PendingLen, p.Counts[0] = []uint32{0}, 1, 1
		},
		"max event time goes back":       func(_ *Entry, p *PartitionCommit) { p.Progress.MaxEventTime = clock("10:19") },
		"watermark goes back":            func(_ *Entry, p *PartitionCommit) { p.Progress.Watermark = clock("09:59") },
		"watermark after max event time": func(_ *Entry, p *PartitionCommit) { p.Progress.Watermark = clock("10:31") },
		"watermark after pending":        func(_ *Entry, p *PartitionCommit) { p.Progress.Watermark = clock("10:06") },
		"a time without pending records": func(_ *Entry, p *PartitionCommit) {
			p.Progress.Pending, p.PendingLen, p.Counts[0] = driver.PendingSet{}, 0, 4
		},
		"pending above up to":               func(_ *Entry, p *PartitionCommit) { p.Progress.Pending.Ordinals[1] = 6 },
		"pending set that ends elsewhere":   func(_ *Entry, p *PartitionCommit) { p.Progress.Pending.Through++ },
		"pending set that is not ascending": func(_ *Entry, p *PartitionCommit) { p.Progress.Pending.Ordinals[1] = 0 },
		"pending count":                     func(_ *Entry, p *PartitionCommit) { p.PendingLen++ },
		"pending and empty": func(_ *Entry, p *PartitionCommit) {
			p.Progress.Pending.Ordinals, p.PendingLen, p.Counts[0] = nil, 0, 4
		},
		"a finished record pending again": func(_ *Entry, p *PartitionCommit) {
			p.Progress.Pending = driver.PendingSet{First: pos(3), Ordinals: []uint32{0, 4}, Through: 10}
		},
		"a record without a fate":  func(_ *Entry, p *PartitionCommit) { p.Counts[record.Written]-- },
		"a record with two fates":  func(_ *Entry, p *PartitionCommit) { p.Counts[record.Late]++ },
		"negative fate":            func(_ *Entry, p *PartitionCommit) { p.Counts[record.Written], p.Counts[record.Late] = 3, -1 },
		"more read than positions": func(_ *Entry, p *PartitionCommit) { p.Read, p.Counts[0] = 3, 3 },
		"another form of position": func(_ *Entry, p *PartitionCommit) { p.Progress.UpTo.Seq = "12" },
		"a position that is none":  func(_ *Entry, p *PartitionCommit) { p.Progress.UpTo.Seq = "0x" },
		"children without an end":  func(_ *Entry, p *PartitionCommit) { p.Progress.Children = []record.Partition{part("c")} },
		"its own child": func(_ *Entry, p *PartitionCommit) {
			p.Progress.Ended, p.Progress.Children = true, []record.Partition{part("a")}
		},
		"children in disorder": func(_ *Entry, p *PartitionCommit) {
			p.Progress.Ended, p.Progress.Children = true, []record.Partition{part("d"), part("c")}
		},
		"a partition of another lane": func(_ *Entry, p *PartitionCommit) {
			*p = lane(base(t), "b", 4, clock("10:20"), clock("10:00")).Partitions[0]
		},
		"a partition twice": func(e *Entry, p *PartitionCommit) {
			e.Commit.Lanes[0].Partitions = append(e.Commit.Lanes[0].Partitions, *p)
		},
		"no lane":                 func(e *Entry, _ *PartitionCommit) { e.Commit.Lanes = nil },
		"a lane twice":            func(e *Entry, _ *PartitionCommit) { e.Commit.Lanes = append(e.Commit.Lanes, e.Commit.Lanes[0]) },
		"a lane without a name":   func(e *Entry, _ *PartitionCommit) { e.Commit.Lanes[0].Lane = "" },
		"a name that is not text": func(_ *Entry, p *PartitionCommit) { p.Partition.ID = "a\xff" },
		"no token":                func(e *Entry, _ *PartitionCommit) { e.Token = "" },
		"no token of the lane":    func(e *Entry, _ *PartitionCommit) { e.Commit.Lanes[0].Token = "ABC" },
		"a file without an hour": func(e *Entry, _ *PartitionCommit) {
			e.Commit.Files = []File{{Flow: "f", Key: "k", Kind: DeadFile}}
		},
		"hours that are not of the files": func(e *Entry, _ *PartitionCommit) { e.files(clock("11:00")).Commit.Hours[0].Rows++ },
		"an hour that is none":            func(e *Entry, _ *PartitionCommit) { e.files(clock("11:30")) },
		"an hour that is not UTC": func(e *Entry, _ *PartitionCommit) {
			e.files(clock("11:00").In(time.FixedZone("CEST", 7200)))
		},
		"files in disorder": func(e *Entry, _ *PartitionCommit) {
			e.files(clock("11:00"), clock("12:00"))
			e.Commit.Files[0], e.Commit.Files[1] = e.Commit.Files[1], e.Commit.Files[0]
		},
		"a year that cannot be written": func(_ *Entry, p *PartitionCommit) { p.Progress.Arrived = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a part of another kind":        func(e *Entry, _ *PartitionCommit) { e.Config = &Config{Generation: 1, Topics: []string{"t"}} },
		"without the part of its kind":  func(e *Entry, _ *PartitionCommit) { e.Kind = KindConfig },
		"an unknown kind":               func(e *Entry, _ *PartitionCommit) { e.Kind, e.Commit = "repair", nil },
		"a blob of no bytes":            func(e *Entry, _ *PartitionCommit) { e.Commit.FilesBlob = &Blob{Key: "k", SHA256: HashOf(nil)} },
	} {
		s := base(t)
		e := step(s)
		spoil(e, &e.Commit.Lanes[0].Partitions[0])
		s.Prepare(e)
		wantCorrupt(t, name, s.Validate(e))
	}
}

func TestAnEndedPartitionStaysEnded(t *testing.T) {
	s := newState(t)
	end := lane(s, "a", 3, clock("10:00"), time.Time{}).pending(clock("09:00"), 2)
	end.Partitions[0].Progress.Ended, end.Partitions[0].Progress.Children = true, []record.Partition{part("c")}
	must(t, s, commit(end))
	for name, spoil := range map[string]func(p *PartitionCommit){
		"another record":     func(p *PartitionCommit) { p.Progress.UpTo, p.Read, p.Counts[0] = pos(4), 1, 2 },
		"not ended any more": func(p *PartitionCommit) { p.Progress.Ended, p.Progress.Children = false, nil },
		"other children":     func(p *PartitionCommit) { p.Progress.Children = nil },
	} {
		l := lane(s, "a", 3, clock("10:00"), time.Time{})
		l.Partitions[0].Progress.Ended, l.Partitions[0].Progress.Children = true, []record.Partition{part("c")}
		spoil(&l.Partitions[0])
		wantCorrupt(t, name, try(s.Clone(), commit(l)))
	}
	l := lane(s, "a", 3, clock("10:00"), time.Time{})
	l.Partitions[0].Progress.Ended, l.Partitions[0].Progress.Children = true, []record.Partition{part("c")}
	must(t, s, commit(l))
}

func TestFoldStopsAtAnEntryOfAnotherPlaceOrPast(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	for name, spoil := range map[string]func(e *Entry){
		"a gap":            func(e *Entry) { e.ID++ },
		"again":            func(e *Entry) { e.ID-- },
		"another past":     func(e *Entry) { e.Prev = HashOf([]byte("other")) },
		"an invalid entry": func(e *Entry) { e.Commit.Lanes[0].Base = 0 },
	} {
		e := commit(lane(s, "a", 4, clock("10:00"), time.Time{}))
		s.Prepare(e)
		spoil(e)
		before, _ := s.Encode()
		wantCorrupt(t, name, s.Fold(e, HashOf([]byte(name))))
		if after, _ := s.Encode(); string(after) != string(before) {
			t.Errorf("%s: the state has changed", name)
		}
	}
}

// T29: only a newer generation may change the topics.
func TestConfigNeedsANewerGeneration(t *testing.T) {
	s := newState(t)
	config := func(gen uint64, topics ...string) *Entry {
		return &Entry{Kind: KindConfig, Token: token(1), Config: &Config{Generation: gen, Topics: topics}}
	}
	must(t, s, config(1, "topic"))
	wantVoid(t, "the same generation", s, config(1, "topic", "two"))
	must(t, s, config(3, "topic", "two"))
	wantVoid(t, "an older generation", s, config(2, "topic"))

	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	wantVoid(t, "partition a is not retired", s, config(4, "two"))
	must(t, s, retire(s, "a", "a"), config(4, "two"))

	for _, c := range []struct {
		gen    uint64
		topics []string
		due    bool
		fails  bool
	}{
		{5, []string{"two", "x"}, true, false},
		{4, []string{"two"}, false, false},
		{4, []string{"two", "x"}, false, true},
		{3, []string{"topic", "two"}, false, true},
	} {
		if due, err := s.Config.CheckConfig(&Config{Generation: c.gen, Topics: c.topics}); due != c.due || (err != nil) != c.fails {
			t.Errorf("generation %d with %v: due %v, %v; want %v, fails %v", c.gen, c.topics, due, err, c.due, c.fails)
		}
	}
}

// T86: another cluster under an old name would take the place of partitions that nobody reads any more.
func TestANameMeansAnotherSourceOnlyOncePartitionsAreRetired(t *testing.T) {
	s := newState(t)
	config := func(gen uint64, topics []string, sources ...string) *Entry {
		return &Entry{Kind: KindConfig, Token: token(1), Config: &Config{Generation: gen, Topics: topics, Sources: sources}}
	}
	both := []string{"eu=hits", "us=hits"}
	must(t, s, config(1, both, "eu=kafka:1", "us=kafka:2"))
	c := lane(s, "eu=a", 3, clock("10:00"), time.Time{})
	c.Partitions[0].Partition.Source = "eu=1/hits"
	must(t, s, commit(c))
	wantVoid(t, "the same generation", s, config(1, both, "eu=kafka:3", "us=kafka:2"))
	wantVoid(t, "another source under the name", s, config(2, both, "eu=kafka:3", "us=kafka:2"))
	wantVoid(t, "a source that is left out", s, config(2, both[1:], "us=kafka:2"))
	wantVoid(t, "a topic that is left out", s, config(2, []string{"eu=clicks", "us=hits"}, "eu=kafka:1", "us=kafka:2"))
	must(t, s, config(2, []string{"eu=hits", "us=clicks"}, "eu=kafka:1", "us=kafka:4")) // nothing was read of us
	if due, err := s.Config.CheckConfig(&Config{Generation: 2, Topics: s.Config.Topics, Sources: []string{"eu=kafka:1", "us=kafka:2"}}); due || err == nil {
		t.Errorf("other sources of one generation: due %v, %v; want an error", due, err)
	}
	body, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeState(s.Genesis, s.GenesisHash, s.Last, body)
	if err != nil || !slices.Equal(again.Config.Sources, s.Config.Sources) {
		t.Errorf("a snapshot brings back %v, %v, want %v", again, err, s.Config.Sources)
	}
	for _, bad := range [][]string{{"kafka:1"}, {"us=a", "eu=b"}, {"us=a", "us=b"}, {"us="}} {
		if err := (&Config{Generation: 1, Topics: both, Sources: bad}).check(); err == nil {
			t.Errorf("the sources %q are taken", bad)
		}
	}
}
