package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
)

// hours checks when hours close and are sealed.
type hours struct {
	bad       *violations
	sched     *scheduler
	cfg       *config
	src       *source
	objects   *objects
	progress  *progress
	manifests *manifests
	merges    *merges
	looked    bool // a person has looked at why no hour closes

	begun      time.Time // as the genesis says
	closedFrom time.Time
	closed     time.Time
	topics     map[string]bool        // of the last Config
	files      map[time.Time][]string // keys by hour
	flows      map[time.Time][]string // of the Close of an hour
	seals      map[string]bool        // by key
	sealedHour map[time.Time]bool
	sealedAt   map[time.Time]time.Time // since when an hour has all of its seals
}

func newHours(c *checker, cfg *config, src *source) *hours {
	return &hours{
		bad: c.bad, sched: c.sched, cfg: cfg, src: src, objects: c.objects, progress: c.progress, manifests: c.manifests,
		topics: map[string]bool{}, files: map[time.Time][]string{}, flows: map[time.Time][]string{}, seals: map[string]bool{}, sealedHour: map[time.Time]bool{},
		sealedAt: map[time.Time]time.Time{},
	}
}

// genesis notes when the job began. A store's clock that has stepped may make that a day earlier, never later.
func (h *hours) genesis(body []byte) {
	g, err := ledger.DecodeGenesis(body)
	if err != nil {
		h.bad.add("%v", err)
		return
	}
	h.begun = g.Created
	if h.begun.After(h.sched.now) || h.begun.Before(h.sched.began.Add(-25*time.Hour)) {
		h.bad.add("the job began at %s, its genesis says at %s", h.sched.now, h.begun)
	}
}

func (h *hours) config(cfg *ledger.Config) {
	for _, t := range cfg.Topics {
		if h.topics[t] {
			continue
		}
		h.topics[t] = true
		for _, p := range h.src.partList {
			for _, r := range p.log {
				if p.topic == t && r.time.Before(h.closed) {
					r.exempt = true
				}
			}
		}
	}
}

// add notes a file of an entry.
func (h *hours) add(e *ledger.Entry, f ledger.File) {
	h.files[f.Hour] = append(h.files[f.Hour], f.Key)
	if f.Hour.Before(h.closed) {
		h.bad.add("entry %d adds %s, but its hour is closed", e.ID, f.Key)
	}
}

// close checks that nothing that is on time is missing in the hours that end.
func (h *hours) close(e *ledger.Entry) {
	cl := e.Close
	if h.closed.IsZero() {
		h.closedFrom = cl.From
	} else if !cl.From.Equal(h.closed) {
		h.bad.add("entry %d closes from %s, but hours are closed through %s", e.ID, cl.From, h.closed)
	}
	h.emptyHours(e)
	h.closed = cl.Through
	for start := cl.From; start.Before(cl.Through); start = start.Add(hour) {
		h.flows[start] = cl.Flows
	}
	for _, p := range h.src.partList {
		if !h.topics[p.topic] || h.progress.retired[p.id] {
			continue
		}
		for _, r := range p.log {
			if r.delivered() && (r.txn == nil || !r.txn.open) && r.time.Before(h.closed) && !r.straggler(lateness) && !h.progress.isFinished(r) {
				h.bad.add("entry %d closes through %s without %s of %s", e.ID, h.closed.Format("15:04"), r, r.time.Format("15:04:05"))
			}
		}
	}
}

// emptyHours checks that no more hours in a row are without files than have passed, and some more, unless a person has looked.
func (h *hours) emptyHours(e *ledger.Entry) {
	cl := e.Close
	if cl.EmptyHours < 0 {
		if !h.looked || !h.cfg.old {
			h.bad.add("entry %d closes any number of empty hours, and nobody was told to", e.ID)
		}
		return
	}
	run := 0
	most := int(cl.EmptyHours) + int(max(0, cl.At.Unix()-h.begun.Unix())/int64(hour/time.Second)) // both are read to the second
	for start := cl.From; start.Before(cl.Through); start = start.Add(hour) {
		if run++; len(h.files[start]) > 0 {
			run = 0
		}
		if run > most {
			h.bad.add("entry %d closes the hour %s, and more than %d before it without files", e.ID, start.Format("15:04"), most)
			return
		}
	}
}

// visible is told of records whose producer has just committed them.
func (h *hours) visible(rs []*logRecord) {
	for _, r := range rs {
		if h.topics[r.part.topic] && r.time.Before(h.closed) && !r.straggler(lateness) {
			h.bad.add("hours were closed through %s while %s of %s was in an open transaction", h.closed.Format("15:04"), r, r.time.Format("15:04:05"))
		}
	}
}

// seal checks that an hour is sealed after the one before it, and after all files of all flows are in place.
func (h *hours) seal(key string) {
	parts := strings.Split(key, "/")
	start, err := time.Parse("day=2006-01-02 hour=15 minute=04", strings.Join(parts[1:len(parts)-1], " "))
	if err != nil {
		start, err = time.Parse("day=2006-01-02 hour=15", strings.Join(parts[1:len(parts)-1], " "))
	}
	if err != nil {
		h.bad.add("seal %s: %v", key, err)
		return
	}
	if !start.Before(h.closed) || start.Before(h.closedFrom) {
		h.bad.add("seal %s is there, but hours are closed from %s through %s", key, h.closedFrom, h.closed)
	}
	if before := start.Add(-hour); !before.Before(h.closedFrom) {
		for _, flow := range h.flowsOf(before) {
			if !h.seals[sealKey(flow, before)] {
				h.bad.add("seal %s is there before that of %s in the hour before it", key, flow)
			}
		}
	}
	if !slices.Contains(h.flowsOf(start), parts[0]) {
		h.bad.add("seal %s is of a flow that has no files in the hour, and its Close does not name it", key)
	}
	for _, k := range h.files[start] {
		if !h.objects.public[k] {
			h.bad.add("seal %s is there before %s is visible", key, k)
		}
		if !h.manifests.made[h.objects.named[k].entry] {
			h.bad.add("seal %s is there before manifest %d", key, h.objects.named[k].entry)
		}
	}
	if why := h.merges.missing(start); why != "" {
		h.bad.add("seal %s is there, and %s", key, why)
	}
	h.seals[key], h.sealedHour[start] = true, true
	if !slices.ContainsFunc(h.flowsOf(start), func(flow string) bool { return !h.seals[sealKey(flow, start)] }) {
		h.sealedAt[start] = h.sched.now
	}
}

// flowsOf are the flows that must have a seal in a closed hour: those of its Close, and those that have files in it.
func (h *hours) flowsOf(start time.Time) []string {
	flows := map[string]bool{}
	for _, f := range h.flows[start] {
		flows[f] = true
	}
	for _, key := range h.files[start] {
		flows[h.objects.named[key].file.Flow] = true
	}
	return slices.Sorted(maps.Keys(flows))
}

func sealKey(flow string, start time.Time) string {
	return flow + start.Format("/day=2006-01-02/hour=15/minute=04/") + "_SEALED"
}

func (h *hours) hourManifest(start time.Time, body []byte) {
	if !start.Before(h.closed) {
		h.bad.add("the manifest of hour %s is there before it is closed", start)
	}
	var m manifest.Hour
	if err := json.Unmarshal(body, &m); err != nil {
		h.bad.add("the manifest of hour %s: %v", start, err)
	}
	if got, want := slices.Sorted(maps.Keys(m.Flows)), h.flowsOf(start); !slices.Equal(got, want) {
		h.bad.add("the manifest of hour %s has the flows %q, want %q", start, got, want)
	}
	var got, want []string
	for i := range m.Files {
		got = append(got, m.Files[i].Key)
	}
	for _, k := range h.files[start] {
		if h.objects.named[k].file.Kind != ledger.PackFile {
			want = append(want, k)
		}
	}
	want = append(want, h.merges.files(start)...)
	if slices.Sort(want); !slices.Equal(got, want) {
		h.bad.add("the manifest of hour %s lists %q, want %q", start, got, want)
	}
	if why := h.merges.missing(start); why != "" {
		h.bad.add("the manifest of hour %s is there, and %s", start, why)
	}
}

// unsealed is the key of a seal that is missing; empty if none is.
func (h *hours) unsealed() string {
	for start := h.closedFrom; start.Before(h.closed); start = start.Add(hour) {
		for _, flow := range h.flowsOf(start) {
			if key := sealKey(flow, start); !h.seals[key] {
				return key
			}
		}
	}
	return ""
}
