package ledger

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// folder is a job over a followed folder, with time compressed: 20 files a minute come, each is read and ends within one
// commit, is forgotten like package sink does it, and is taken away after a day.
type folder struct {
	t    testing.TB
	s    *State
	now  time.Time
	file int // the next one

	marked           uint64 // entries up to it are marked as published
	objects, written int64
	snapshot         int // bytes of the last one
	gone             int // files from the first on that are forgotten for good
	spent            []PartitionHash
}

const (
	filesAMinute = 20
	staysFor     = 24 * 60 // minutes in the folder; forgotten for good a day later
)

func (f *folder) partition(i int) record.Partition {
	return record.Partition{Source: "files", Epoch: fmt.Sprintf("%016x", i*7919), ID: fmt.Sprintf("in/%s/events-%09d.jsonl", f.now.Format("2006-01-02"), i)}
}

// append writes e, and a snapshot where one is due.
func (f *folder) append(e *Entry) {
	f.t.Helper()
	f.s.Prepare(e)
	f.create(e.ID, e)
	if e.ID%SnapshotEvery != 0 {
		return
	}
	chunks, err := f.s.Lanes.Finished.Unsaved()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range chunks {
		f.objects, f.written = f.objects+1, f.written+int64(len(c.Body))
	}
	f.s.Lanes.Finished.Saved(chunks)
	body, err := f.s.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	f.snapshot = len(body)
	f.objects, f.written = f.objects+1, f.written+int64(len(body))
}

func (f *folder) create(id uint64, e *Entry) {
	f.t.Helper()
	parts, err := e.Fit(0, func(i int) string { return BlobName(e.Token, i) })
	if err != nil {
		f.t.Fatal(err)
	}
	for _, p := range parts {
		f.objects, f.written = f.objects+1, f.written+int64(len(p.Body))
	}
	body, err := e.Encode()
	if err == nil {
		err = f.s.Fold(e, HashOf(body))
	}
	if err != nil {
		f.t.Fatalf("entry %d: %v", id, err)
	}
	f.objects, f.written = f.objects+1, f.written+int64(len(body))
}

// minute reads the files of a minute, and the one that always grows.
func (f *folder) minute() {
	e := &Entry{Kind: KindCommit, Token: token(int(f.s.Last) + 1), Commit: &Commit{}}
	if f.s.Last > f.marked {
		for id := range f.s.Unpublished {
			e.Published = append(e.Published, id)
		}
	}
	live := lane(f.s, "live", f.s.Lanes.Partitions[part("live")].upTo()+10, f.now, f.now.Add(-time.Minute))
	live.Acquired = 1
	e.Commit.Lanes = append(e.Commit.Lanes, live)
	for range filesAMinute {
		p := f.partition(f.file)
		f.file++
		c := PartitionCommit{Partition: p, Progress: driver.Progress{UpTo: pos(100), MaxEventTime: f.now, Watermark: f.now.Add(-time.Minute), Arrived: f.now, Ended: true}, Read: 100}
		c.Counts[record.Written] = 100
		e.Commit.Lanes = append(e.Commit.Lanes, LaneCommit{Lane: "files/" + p.ID, Base: f.s.Base("files/" + p.ID), Token: token(1), Acquired: f.s.Last + 1, Partitions: []PartitionCommit{c}})
	}
	slices.SortFunc(e.Commit.Lanes, func(a, b LaneCommit) int {
		if a.Lane < b.Lane {
			return -1
		}
		return 1
	})
	e.Commit.Files = []File{{Flow: "rows", Hour: f.s.Genesis.HourOf(f.now), Key: fmt.Sprintf("rows/%d", f.s.Last), Length: 1000, Rows: filesAMinute*100 + 10}}
	e.Commit.Hours = SumHours(e.Commit.Files)
	f.append(e)
}

func (p *Partition) upTo() int64 {
	if p == nil {
		return 0
	}
	return p.Progress.UpTo.Sub
}

// forget forgets what ended half an hour ago, and for good what was taken away a day ago.
func (f *folder) forget(minute int, since uint64) {
	e := &Entry{Kind: KindForget, Token: token(int(f.s.Last) + 1), Forget: &Forget{}}
	for h := range f.s.Lanes.Spent(since) {
		if len(e.Forget.Over) < MaxForget {
			e.Forget.Over = append(e.Forget.Over, h)
		}
	}
	slices.SortFunc(e.Forget.Over, PartitionHash.Compare)
	f.spent = append(f.spent, e.Forget.Over...)
	due := max(0, (minute-2*staysFor)*filesAMinute)
	if n := min(due-f.gone, len(f.spent), MaxForget); n > 0 {
		e.Forget.Gone = slices.SortedFunc(slices.Values(f.spent[:n]), PartitionHash.Compare)
		f.spent, f.gone = slices.Clone(f.spent[n:]), f.gone+n
	}
	if len(e.Forget.Over)+len(e.Forget.Gone) > 0 {
		f.append(e)
	}
}

func (f *folder) closeHour() {
	from, through, ok := f.s.CloseDue(f.now, time.Minute, f.s.Unpublished)
	if !ok {
		return
	}
	e := closing(from, through, f.now)
	e.Close.Lateness, e.Sealed = time.Minute, f.s.Hours.Closed
	for id := range f.s.Unpublished {
		e.Published = append(e.Published, id)
	}
	f.append(e)
}

// unended is how many partitions an hour's manifest would list now.
func (f *folder) unended() (n int) {
	for _, p := range f.s.Lanes.Partitions {
		if !p.free() {
			n++
		}
	}
	return n
}

// A followed folder with 20 files a minute once ate 3.9 GB of memory a day, and its snapshots grew by 12 MB a day. What is kept
// depends on what lies in the folder. `make year` runs all 10.5 million files of a year.
func TestAYearOfAFollowedFolder(t *testing.T) {
	days := 3
	if s := os.Getenv("ONCEFLOW_DAYS"); s != "" {
		var err error
		if days, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	f := &folder{t: t, s: newState(t), now: clock("00:00")}
	most := struct{ partitions, lanes, finished, changes, snapshot, listed int }{}
	begins := map[int]uint64{} // entry at the beginning of a minute
	for minute := range days * 24 * 60 {
		f.now = f.now.Add(time.Minute)
		begins[minute] = f.s.Last + 1
		delete(begins, minute-60)
		f.minute()
		if minute%10 == 9 {
			f.forget(minute, begins[max(0, minute-30)])
		}
		if minute%60 == 59 {
			f.closeHour()
			most.listed = max(most.listed, f.unended())
		}
		most.partitions, most.lanes = max(most.partitions, len(f.s.Lanes.Partitions)), max(most.lanes, len(f.s.Lanes.ByName))
		most.finished, most.changes = max(most.finished, f.s.Lanes.Finished.Len()), max(most.changes, f.s.Lanes.Finished.changes())
		most.snapshot = max(most.snapshot, f.snapshot)
		if minute%(days*24*60/5) == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			t.Logf("day %d: %d files read, %d partitions, %d finished, snapshot of %d KB, %.1f MB in %d objects, heap %.1f MB", minute/1440, f.file,
				len(f.s.Lanes.Partitions), f.s.Lanes.Finished.Len(), f.snapshot>>10, float64(f.written)/1e6, f.objects, float64(m.HeapAlloc)/1e6)
		}
	}
	t.Logf("%d days, %d files: at most %+v; %.1f MB in %d objects, %.0f bytes a file", days, f.file, most, float64(f.written)/1e6, f.objects,
		float64(f.written)/float64(f.file))
	// 40 minutes of files are not forgotten yet; two days of files are finished, and there are at most twice as many changes.
	if lie := 2*staysFor*filesAMinute + 60*filesAMinute; most.partitions > 60*filesAMinute || most.lanes > 60*filesAMinute || most.finished > lie ||
		most.changes > 2*lie+2*chunkLen || most.listed != 1 {
		t.Errorf("at most %+v, want what an hour needs, and the files of two days", most)
	}
	if f.gone == 0 || f.s.Lanes.Over == 0 || f.s.Read != int64(f.file)*100+10*int64(days*24*60) {
		t.Errorf("%d gone, %d over, %d read of %d files: it tests too little", f.gone, f.s.Lanes.Over, f.s.Read, f.file)
	}
	// A snapshot has an hour of partitions, less than a chunk of changes, and the names of the chunks.
	if limit := 60*filesAMinute*600 + chunkLen*changeBytes*3/2 + most.changes/chunkLen*70; most.snapshot > limit {
		t.Errorf("a snapshot of %d bytes, want at most %d", most.snapshot, limit)
	}
}
