package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// checker knows what the source holds and sees every effect on the store. It believes nothing that instances say beside
// what they write.
type checker struct {
	w     *world
	wrong []string

	staging map[string][]byte // closed files that are staged or were published, by key
	gone    map[string]bool   // staging that was deleted
	public  map[string]bool   // published
	entries []*ledger.Entry
	named   map[string]namedFile // files of entries, by key
	parts   map[record.Partition]*truth
	touches map[string][]touch
	winners map[string]*logRecord // by ID: whose row is committed
	hours   map[time.Time][]string

	forgotten   map[record.Partition]bool
	goneForGood int
	gonePart    map[record.Partition]bool // that are forgotten for good, until they are back
	renewed     map[string]uint64         // lanes that came back, and the floor at the time
	floor       uint64                    // who acquired an unknown lane before it cannot commit anything of it

	descended int // entries that read children of others
	ending    map[record.Partition]bool
	base      map[string]time.Time // watermarks of lanes before the entry that is being checked
	topics    map[string]bool      // of the last Config
	retired   map[record.Partition]bool

	sets       map[record.Partition]driver.PendingSet // as the last blob that has one says
	steps      int                                    // pending sets that say only what has changed
	begun      time.Time                              // as the genesis says
	closedFrom time.Time
	flows      map[time.Time][]string // of the Close of an hour
	closed     time.Time
	manifests  map[uint64]bool
	owed       map[uint64]bool // commits that need a manifest and have none yet
	seals      map[string]bool // key
	sealedHour map[time.Time]bool
}

type namedFile struct {
	entry uint64
	file  ledger.File
}

// truth is what the ledger says of a partition, as the checker understands it.
type truth struct {
	upTo      int64
	watermark time.Time
	pending   map[int64]bool
	finished  map[int64]bool
	lane      string // as the ledger has it
	ended     bool
}

// free reports whether nothing can come of a partition any more.
func (t *truth) free() bool { return t.ended && len(t.pending) == 0 }

func newChecker(w *world) *checker {
	return &checker{
		w: w, sets: map[record.Partition]driver.PendingSet{}, staging: map[string][]byte{}, gone: map[string]bool{}, public: map[string]bool{}, named: map[string]namedFile{},
		touches: map[string][]touch{}, parts: map[record.Partition]*truth{}, winners: map[string]*logRecord{}, hours: map[time.Time][]string{},
		retired: map[record.Partition]bool{}, forgotten: map[record.Partition]bool{}, gonePart: map[record.Partition]bool{}, renewed: map[string]uint64{}, topics: map[string]bool{}, manifests: map[uint64]bool{}, owed: map[uint64]bool{}, flows: map[time.Time][]string{}, seals: map[string]bool{}, sealedHour: map[time.Time]bool{},
	}
}

func (c *checker) violation(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	c.w.logf("VIOLATION %s", s)
	c.wrong = append(c.wrong, s)
}

var root = ledger.Root("", "job", 1)

func (c *checker) created(key string, body []byte) {
	c.w.logf("created %s", key)
	if name, ok := strings.CutPrefix(key, root); ok {
		if n, ok := ledger.ParseEntryName(name); ok {
			c.entry(n, body)
		} else if n, ok := ledger.ParseManifestName(name); ok {
			c.manifest(n, body)
		} else if start, ok := ledger.ParseHourName(name, hour); ok {
			c.hourManifest(start, body)
		} else if name == ledger.GenesisName {
			c.genesis(body)
		}
		return
	}
	if strings.HasSuffix(key, "/_SEALED") {
		c.seal(key)
	}
}

// genesis notes when the job began. A store's clock that has stepped may make that a day earlier, never later.
func (c *checker) genesis(body []byte) {
	g, err := ledger.DecodeGenesis(body)
	if err != nil {
		c.violation("%v", err)
		return
	}
	c.begun = g.Created
	if c.begun.After(c.w.now) || c.begun.Before(c.w.began.Add(-25*time.Hour)) {
		c.violation("the job began at %s, its genesis says at %s", c.w.now, c.begun)
	}
}

// isProbe reports whether a file is one by which the sink tries out the store.
func isProbe(key string) bool { return strings.HasPrefix(key, "_onceflow/") }

func (c *checker) staged(key string, body []byte) { c.staging[key] = body }

func (c *checker) discarded(key string) {
	if isProbe(key) {
		return
	}
	if f, ok := c.named[key]; ok && !c.public[key] {
		c.violation("staging of %s is deleted, which entry %d names", key, f.entry)
	}
	if !c.public[key] {
		c.gone[key] = true
	}
}

func (c *checker) published(key string) {
	if c.public[key] || isProbe(key) {
		return
	}
	c.w.logf("published %s", key)
	c.public[key] = true
	f, ok := c.named[key]
	if !ok {
		c.violation("%s is visible and no entry names it", key)
		return
	}
	if f.file.Kind == ledger.DataFile && c.sealedHour[f.file.Hour] {
		c.violation("%s becomes visible after its hour was sealed", key)
	}
}

// entry checks one entry of the ledger, right when it comes to be.
func (c *checker) entry(n uint64, body []byte) {
	if n != uint64(len(c.entries))+1 {
		c.violation("entry %d follows entry %d", n, len(c.entries))
		return
	}
	e, err := ledger.Decode(n, body)
	if err != nil {
		c.violation("%v", err)
		return
	}
	if b := e.Detached(); b != nil {
		part, err := c.w.store.Read(context.Background(), root+b.Key, ledger.MaxBlob)
		if err == nil {
			err = e.Attach(part)
		}
		if err != nil {
			c.violation("entry %d: %v", n, err)
			return
		}
	}
	c.entries = append(c.entries, e)
	c.touched(e)
	switch e.Kind {
	case ledger.KindConfig:
		c.config(e.Config)
	case ledger.KindCommit:
		c.commit(e)
	case ledger.KindClose:
		c.close(e)
	case ledger.KindForget:
		c.forget(e)
	case ledger.KindRetire:
		c.retired[e.Retire.Partition] = true
	}
}

func (c *checker) config(cfg *ledger.Config) {
	for _, t := range cfg.Topics {
		if c.topics[t] {
			continue
		}
		c.topics[t] = true
		for _, p := range c.w.partList {
			for _, r := range p.log {
				if p.topic == t && r.time.Before(c.closed) {
					r.exempt = true
				}
			}
		}
	}
}

// close checks that nothing that is on time is missing in the hours that end.
func (c *checker) close(e *ledger.Entry) {
	cl := e.Close
	if c.closed.IsZero() {
		c.closedFrom = cl.From
	} else if !cl.From.Equal(c.closed) {
		c.violation("entry %d closes from %s, but hours are closed through %s", e.ID, cl.From, c.closed)
	}
	c.emptyHours(e)
	c.closed = cl.Through
	for h := cl.From; h.Before(cl.Through); h = h.Add(hour) {
		c.flows[h] = cl.Flows
	}
	for _, p := range c.w.partList {
		if !c.topics[p.topic] || c.retired[p.id] {
			continue
		}
		for _, r := range p.log {
			if r.delivered() && (r.txn == nil || !r.txn.open) && r.time.Before(c.closed) && !r.straggler(lateness) && !c.isFinished(r) {
				c.violation("entry %d closes through %s without %s of %s", e.ID, c.closed.Format("15:04"), r, r.time.Format("15:04:05"))
			}
		}
	}
}

// emptyHours checks that no more hours in a row are without files than have passed, and some more, unless a person has looked.
func (c *checker) emptyHours(e *ledger.Entry) {
	cl := e.Close
	if cl.EmptyHours < 0 {
		if !c.w.looked || !c.w.cfg.old {
			c.violation("entry %d closes any number of empty hours, and nobody was told to", e.ID)
		}
		return
	}
	run := 0
	most := int(cl.EmptyHours) + int(max(0, cl.At.Unix()-c.begun.Unix())/int64(hour/time.Second)) // both are read to the second
	for h := cl.From; h.Before(cl.Through); h = h.Add(hour) {
		if run++; len(c.hours[h]) > 0 {
			run = 0
		}
		if run > most {
			c.violation("entry %d closes the hour %s, and more than %d before it without files", e.ID, h.Format("15:04"), most)
			return
		}
	}
}

// visible is told of records whose producer has just committed them.
func (c *checker) visible(rs []*logRecord) {
	for _, r := range rs {
		if c.topics[r.part.topic] && r.time.Before(c.closed) && !r.straggler(lateness) {
			c.violation("hours were closed through %s while %s of %s was in an open transaction", c.closed.Format("15:04"), r, r.time.Format("15:04:05"))
		}
	}
}

func (c *checker) isFinished(r *logRecord) bool {
	t := c.parts[r.part.id]
	return t != nil && t.finished[r.pos]
}

func (c *checker) manifest(n uint64, body []byte) {
	var m manifest.Transaction
	if err := json.Unmarshal(body, &m); err != nil || n == 0 || n > uint64(len(c.entries)) {
		c.violation("manifest %d: %v", n, err)
		return
	}
	c.manifests[n] = true
	delete(c.owed, n)
	c.sums(n, &m)
	listed := map[string]bool{}
	for _, f := range m.Files {
		listed[f.Key] = true
		if !c.public[f.Key] {
			c.violation("manifest %d lists %s, which is not visible", n, f.Key)
		}
	}
	for key, f := range c.named {
		if f.entry == n && !listed[key] {
			c.violation("manifest %d does not list %s", n, key)
		}
	}
}

// sums checks that a manifest has what its entry has of reads and fates, so that all manifests add up to the ledger.
func (c *checker) sums(n uint64, m *manifest.Transaction) {
	var told []ledger.Reason
	for _, r := range m.Reasons {
		told = append(told, ledger.Reason(r))
	}
	c.reasons(fmt.Sprintf("manifest %d", n), c.entries[n-1], told)
	i := 0
	for _, l := range c.entries[n-1].Commit.Lanes {
		for _, p := range l.Partitions {
			var got manifest.Partition
			if i < len(m.Partitions) {
				got = m.Partitions[i]
			}
			same := got.Lane == l.Lane && got.ID == p.Partition.ID && got.Read == p.Read && got.Pending == p.PendingLen
			for fate, n := range p.Counts {
				same = same && got.Counts[record.Fate(fate).String()] == n
			}
			if !same {
				c.violation("manifest %d says %+v of %s, its entry read %d, holds %d, fates %v", n, got, p.Partition, p.Read, p.PendingLen, p.Counts)
			}
			i++
		}
	}
}

// seal checks that an hour is sealed after the one before it, and after all files of all flows are in place.
func (c *checker) seal(key string) {
	parts := strings.Split(key, "/")
	start, err := time.Parse("day=2006-01-02 hour=15 minute=04", strings.Join(parts[1:len(parts)-1], " "))
	if err != nil {
		start, err = time.Parse("day=2006-01-02 hour=15", strings.Join(parts[1:len(parts)-1], " "))
	}
	if err != nil {
		c.violation("seal %s: %v", key, err)
		return
	}
	if !start.Before(c.closed) || start.Before(c.closedFrom) {
		c.violation("seal %s is there, but hours are closed from %s through %s", key, c.closedFrom, c.closed)
	}
	if before := start.Add(-hour); !before.Before(c.closedFrom) {
		for _, flow := range c.flowsOf(before) {
			if !c.seals[sealKey(flow, before)] {
				c.violation("seal %s is there before that of %s in the hour before it", key, flow)
			}
		}
	}
	if !slices.Contains(c.flowsOf(start), parts[0]) {
		c.violation("seal %s is of a flow that has no files in the hour, and its Close does not name it", key)
	}
	for _, k := range c.hours[start] {
		if !c.public[k] {
			c.violation("seal %s is there before %s is visible", key, k)
		}
		if !c.manifests[c.named[k].entry] {
			c.violation("seal %s is there before manifest %d", key, c.named[k].entry)
		}
	}
	c.seals[key], c.sealedHour[start] = true, true
}

// flowsOf are the flows that must have a seal in a closed hour: those of its Close, and those that have files in it.
func (c *checker) flowsOf(start time.Time) []string {
	flows := map[string]bool{}
	for _, f := range c.flows[start] {
		flows[f] = true
	}
	for _, key := range c.hours[start] {
		flows[c.named[key].file.Flow] = true
	}
	return slices.Sorted(maps.Keys(flows))
}

func sealKey(flow string, start time.Time) string {
	return flow + start.Format("/day=2006-01-02/hour=15/minute=04/") + "_SEALED"
}

func (c *checker) hourManifest(start time.Time, body []byte) {
	if !start.Before(c.closed) {
		c.violation("the manifest of hour %s is there before it is closed", start)
	}
	var m manifest.Hour
	if err := json.Unmarshal(body, &m); err != nil {
		c.violation("the manifest of hour %s: %v", start, err)
	}
	if got, want := slices.Sorted(maps.Keys(m.Flows)), c.flowsOf(start); !slices.Equal(got, want) {
		c.violation("the manifest of hour %s has the flows %q, want %q", start, got, want)
	}
	for _, k := range c.hours[start] {
		if !strings.Contains(string(body), `"`+k+`"`) {
			c.violation("the manifest of hour %s does not list %s", start, k)
		}
	}
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
	c.violation("%s stops: %v", p.name, err)
}
