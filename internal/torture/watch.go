package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// manifest is what the checker reads of a transaction's or an hour's manifest.
type manifest struct {
	Files []struct {
		Flow, Kind, Key string
		Rows            int
	}
	Hour       time.Time
	Partitions []struct {
		Source, ID string
		UpTo       string `json:"up_to"`
	}
}

// watcher reads the bucket while the job runs, and keeps what it finds wrong. It is safe for concurrent use.
type watcher struct {
	bucket bucket
	ledger string // "_onceflow/<job>/e0001/"
	topics []string
	hour   time.Duration
	say    func(string, ...any)

	mu        sync.Mutex
	wrong     []string
	files     map[string]int // rows of each file in a manifest
	tally     *tally
	progress  map[string]int64     // by "topic/partition": offsets below it are readable
	sealed    map[string][]object  // by the hour's folder: what it held when its seal was seen
	sealOrder []string             // folders
	hourAfter string               // last hour manifest seen
	waiting   map[string]time.Time // folders whose hour manifest was seen, and when
	lastEntry string
	whole     time.Time       // when all manifests were listed last
	seen      map[string]bool // manifests
}

func newWatcher(b bucket, job string, topics []string, hour time.Duration, say func(string, ...any)) *watcher {
	return &watcher{
		bucket: b, ledger: "_onceflow/" + job + "/e0001/", topics: topics, hour: hour, say: say,
		files: map[string]int{}, tally: newTally(), progress: map[string]int64{}, sealed: map[string][]object{},
		waiting: map[string]time.Time{}, seen: map[string]bool{},
	}
}

func (w *watcher) blame(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	w.wrong = append(w.wrong, s)
	w.say("WRONG: %s", s)
}

// run looks until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.look(ctx)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// wholeEvery is how often all manifests are listed, since any may come late.
const wholeEvery = 5 * time.Second

// look reads what is new. A store that is down is asked again the next time.
func (w *watcher) look(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.manifests(ctx); err != nil {
		return
	}
	_ = w.hours(ctx)
}

// manifests reads the manifests of transactions in their order. Numbers without one are passed over: entries
// that are no commits, or of clocks alone.
func (w *watcher) manifests(ctx context.Context) error {
	prefix := w.ledger + "manifests/s0000/"
	after := w.lastEntry
	if time.Since(w.whole) > wholeEvery {
		after, w.whole = "", time.Now()
	}
	list, err := w.bucket.list(ctx, prefix, after)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b object) int { return strings.Compare(a.key, b.key) })
	for _, o := range list {
		if w.seen[o.key] {
			continue
		}
		body, err := w.bucket.get(ctx, o.key)
		if err != nil {
			return err
		}
		var m manifest
		if err := json.Unmarshal(body, &m); err != nil {
			w.blame("%s: %v", o.key, err)
		}
		for _, f := range m.Files {
			if err := w.file(ctx, f.Key, f.Rows); err != nil {
				return err
			}
		}
		for _, p := range m.Partitions {
			var upTo int64
			_, _ = fmt.Sscan(p.UpTo, &upTo)
			name := path.Base(p.Source) + "/" + p.ID
			w.progress[name] = max(w.progress[name], upTo)
		}
		w.seen[o.key] = true
	}
	// A manifest may be created after that of a later entry, so look again at the last ones. One that a dead process owed is
	// made once its hour waits for it, hundreds of entries later.
	if n := len(list); n > 64 {
		w.lastEntry = list[n-64].key
	}
	return nil
}

// file counts a file that a manifest names, once.
func (w *watcher) file(ctx context.Context, key string, rows int) error {
	if _, ok := w.files[key]; ok || strings.HasPrefix(key, "dead/") {
		return nil
	}
	body, err := w.bucket.get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		w.blame("a manifest names %s, which is not there", key)
	} else if err != nil {
		return err
	}
	n, err := w.tally.file(key, body, w.hour)
	if err != nil {
		w.blame("%v", err)
	}
	if n != rows {
		w.blame("%s has %d rows, its manifest says %d", key, n, rows)
	}
	w.files[key] = rows
	return nil
}

// hours looks at hours that were closed: their seals must come in order, and from then on nothing of them may change.
func (w *watcher) hours(ctx context.Context) error {
	list, err := w.bucket.list(ctx, w.ledger+"hours/", w.hourAfter)
	if err != nil {
		return err
	}
	for _, o := range list {
		body, err := w.bucket.get(ctx, o.key)
		if err != nil {
			return err
		}
		var m manifest
		if err := json.Unmarshal(body, &m); err != nil {
			w.blame("%s: %v", o.key, err)
		}
		for _, t := range w.topics {
			w.waiting[t+m.Hour.UTC().Format("/day=2006-01-02/hour=15/minute=04")] = m.Hour
		}
		w.hourAfter = o.key
	}
	folders := slices.Sorted(maps.Keys(w.waiting))
	for _, folder := range folders {
		all, err := w.bucket.list(ctx, folder+"/", "")
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, isSeal) {
			continue
		}
		flow, _, _ := strings.Cut(folder, "/")
		for _, before := range folders {
			if before >= folder || !strings.HasPrefix(before, flow+"/") || w.waiting[before].IsZero() {
				continue
			}
			if again, err := w.bucket.list(ctx, before+"/", ""); err != nil {
				return err
			} else if !slices.ContainsFunc(again, isSeal) { // nor since we looked at it
				w.blame("%s was sealed before %s", folder, before)
			}
		}
		w.sealed[folder] = all
		w.sealOrder = append(w.sealOrder, folder)
		delete(w.waiting, folder)
	}
	return nil
}

func isSeal(o object) bool { return path.Base(o.key) == "_SEALED" }

// readable reports up to where a partition can be read in the bucket.
func (w *watcher) readable(topic string, partition int32) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress[fmt.Sprintf("%s/%d", topic, partition)]
}

func (w *watcher) rows() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.files {
		n += r
	}
	return n
}
