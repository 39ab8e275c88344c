package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// checker knows what the source holds and sees every effect on the store. It believes nothing that instances say beside
// what they write.
type checker struct {
	sched *scheduler
	store *sinktest.Memory
	bad   *violations

	entries   []*ledger.Entry
	objects   *objects
	progress  *progress
	manifests *manifests
	hours     *hours
	fates     *fates
	owners    *owners
	merges    *merges
}

func newChecker(s *scheduler, cfg *config, src *source, store *sinktest.Memory) *checker {
	c := &checker{sched: s, store: store, bad: &violations{sched: s}}
	c.objects = newObjects(c.bad, s)
	c.progress = newProgress(c.bad, cfg, src, store)
	c.manifests = newManifests(c.bad, c.objects)
	c.hours = newHours(c, cfg, src)
	c.fates = newFates(c, cfg, src)
	c.merges = newMerges(c.bad, c.objects, c.hours)
	c.hours.merges = c.merges
	c.owners = newOwners(c.bad, src, store, c.objects, c.progress, c.merges)
	return c
}

// owed are the files that are committed and not visible, of entries from whose lanes nothing more can come: nobody may ever
// hold these again.
func (c *checker) owed() (keys []string) {
	for key, f := range c.objects.named {
		e := c.entryOf(f.entry)
		if c.objects.public[key] || e == nil || e.Commit == nil { // a file of a merge waits for its hour
			continue
		}
		if !slices.ContainsFunc(e.Commit.Lanes, func(l ledger.LaneCommit) bool { return !c.progress.isOver(l.Lane) }) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// settled checks that an instance which has nothing left to do has seen to it that what was owed when it last read the ledger
// is visible.
func (c *checker) settled(name string, owed []string) {
	for _, key := range owed {
		if !c.objects.public[key] {
			c.bad.add("%s is settled, and %s of entry %d is not visible, whose lanes are over", name, key, c.objects.named[key].entry)
		}
	}
}

// violations are what is wrong in a run.
type violations struct {
	sched *scheduler
	list  []string
}

func (v *violations) add(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	v.sched.logf("VIOLATION %s", s)
	v.list = append(v.list, s)
}

var root = ledger.Root("", "job", 1)

func (c *checker) created(key string, body []byte) {
	c.sched.logf("created %s", key)
	if name, ok := strings.CutPrefix(key, root); ok {
		if n, ok := ledger.ParseEntryName(name); ok {
			c.entry(n, body)
		} else if n, ok := ledger.ParseManifestName(name); ok {
			c.manifests.add(n, c.entryOf(n), body)
		} else if start, ok := ledger.ParseHourName(name, hour); ok {
			c.hours.hourManifest(start, body)
		} else if name == ledger.GenesisName {
			c.hours.genesis(body)
		} else if strings.HasPrefix(name, ledger.MergePrefix) {
			c.merges.record(name, body)
		}
		return
	}
	if strings.HasSuffix(key, "/_SEALED") {
		c.hours.seal(key)
	}
}

func (c *checker) published(key string) {
	if f, ok := c.objects.published(key); ok && f.file.Kind == ledger.DataFile && c.hours.sealedHour[f.file.Hour] {
		c.bad.add("%s becomes visible after its hour was sealed", key)
	}
}

// entryOf is nil if there is no entry n.
func (c *checker) entryOf(n uint64) *ledger.Entry {
	if n == 0 || n > uint64(len(c.entries)) {
		return nil
	}
	return c.entries[n-1]
}

// entry checks one entry of the ledger, right when it comes to be.
func (c *checker) entry(n uint64, body []byte) {
	if n != uint64(len(c.entries))+1 {
		c.bad.add("entry %d follows entry %d", n, len(c.entries))
		return
	}
	e, err := ledger.Decode(n, body)
	if err != nil {
		c.bad.add("%v", err)
		return
	}
	if b := e.Detached(); b != nil {
		part, err := c.store.Read(context.Background(), root+b.Key, ledger.MaxBlob)
		if err == nil {
			err = e.Attach(part)
		}
		if err != nil {
			c.bad.add("entry %d: %v", n, err)
			return
		}
	}
	c.entries = append(c.entries, e)
	c.owners.touched(e)
	switch e.Kind {
	case ledger.KindConfig:
		c.hours.config(e.Config)
	case ledger.KindCommit:
		c.commit(e)
	case ledger.KindClose:
		c.hours.close(e)
		c.merges.close(e)
	case ledger.KindForget:
		c.owners.forget(e)
	case ledger.KindRetire:
		c.progress.retired[e.Retire.Partition] = true
	}
}

// commit checks a transaction: its files are there, its rows are those of the records that it finishes, no more and no
// less, and its counts say so.
func (c *checker) commit(e *ledger.Entry) {
	rows := map[string][]placed{}
	for _, f := range c.files(e) {
		if !c.objects.name(e, f) {
			continue
		}
		if f.OnTime() {
			c.hours.add(e, f)
		}
		if f.Kind == ledger.PackFile {
			c.merges.add(f)
		}
		for _, r := range c.objects.rowsOf(f) {
			rows[r.Owner] = append(rows[r.Owner], placed{r, f})
		}
	}
	if len(c.files(e)) > 0 || hasCounts(e.Commit) {
		c.manifests.owed[e.ID] = true
	}
	c.progress.move(e)
	c.progress.base = c.progress.watermarks()
	var losers []*logRecord
	for i := range e.Commit.Lanes {
		for k := range e.Commit.Lanes[i].Partitions {
			losers = append(losers, c.fates.partition(e, &e.Commit.Lanes[i].Partitions[k], rows)...)
		}
	}
	c.progress.children(e)
	for _, r := range losers {
		if c.fates.winners[r.id] == nil && !c.progress.holds(r.id) {
			c.bad.add("entry %d finishes %s as a duplicate, but ID %s has no row", e.ID, r, r.id)
		}
	}
	for owner := range rows {
		c.bad.add("entry %d has rows of %s, which it does not finish", e.ID, owner)
	}
	c.manifests.reasons(fmt.Sprintf("entry %d", e.ID), e, e.Commit.Reasons)
}

func (c *checker) files(e *ledger.Entry) []ledger.File {
	if e.Commit.FilesBlob == nil {
		return e.Commit.Files
	}
	body, err := c.store.Read(context.Background(), root+e.Commit.FilesBlob.Key, ledger.MaxBlob)
	if err != nil {
		c.bad.add("entry %d: %v", e.ID, err)
		return nil
	}
	files, err := ledger.DecodeFiles(e.Commit.FilesBlob, body)
	if err != nil {
		c.bad.add("entry %d: %v", e.ID, err)
	}
	return files
}

// ended is told why a process ends by itself: only faults of its world are a reason, and that others have taken over its
// lanes and swept what it was staging, or its probe, or that a partition that it had was retired.
func (c *checker) ended(p *process, err error) {
	if err == nil || isFault(err) {
		return
	}
	for _, reason := range []string{"upload was closed, aborted or discarded", "probe: ", "was retired from the job"} {
		if strings.Contains(err.Error(), reason) {
			return
		}
	}
	c.bad.add("%s stops: %v", p.name, err)
}

// isNew is told that a lane is back that was forgotten for good: all of it is read again.
func (c *checker) isNew(l *lane) {
	for _, p := range l.parts {
		delete(c.progress.parts, p.id)
		c.fates.forget(p)
	}
	c.owners.isNew(l)
}

// missing tells what is still to do; empty if nothing is.
func (c *checker) missing(until time.Time) string {
	if r := c.fates.unfinished(); r != nil {
		return fmt.Sprintf("%s is not finished", r)
	}
	if h := c.hours; len(h.files) > 0 && h.closed.Before(until) {
		return fmt.Sprintf("hours are closed through %s, not %s", h.closed.Format("15:04"), until.Format("15:04"))
	}
	for key := range c.objects.named {
		if !c.objects.public[key] {
			return key + " is not visible"
		}
	}
	for n := range c.manifests.owed {
		return fmt.Sprintf("manifest %d is missing", n)
	}
	if key := c.hours.unsealed(); key != "" {
		return key + " is missing"
	}
	for s, err := range c.store.Staged(context.Background()) {
		return fmt.Sprintf("%s is still staged (%v)", s.Key, err)
	}
	return ""
}
