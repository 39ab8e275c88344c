package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/format"
)

// objects are the files of rows on the store.
type objects struct {
	bad   *violations
	sched *scheduler

	staging  map[string][]byte         // closed files that are staged or were published, by key
	stagedBy map[string]*watchedUpload // who staged those of this run last
	gone     map[string]bool           // staging that was deleted
	public   map[string]bool           // published
	named    map[string]namedFile
}

// namedFile is a file of an entry.
type namedFile struct {
	entry uint64
	file  ledger.File
}

func newObjects(bad *violations, s *scheduler) *objects {
	return &objects{bad: bad, sched: s, staging: map[string][]byte{}, stagedBy: map[string]*watchedUpload{}, gone: map[string]bool{}, public: map[string]bool{}, named: map[string]namedFile{}}
}

// isProbe reports whether a file is one by which the sink tries out the store.
func isProbe(key string) bool { return strings.Contains(key, "/probe/") }

func (o *objects) staged(key string, body []byte, by *watchedUpload) {
	o.staging[key], o.stagedBy[key] = body, by
	delete(o.gone, key) // it was another upload of the key
}

// aborted is told of each Abort. One that arrives late must not be taken for that of a newer upload of the key.
func (o *objects) aborted(key string, by *watchedUpload) {
	if last := o.stagedBy[key]; last == nil || last == by {
		o.discarded(key)
	}
}

func (o *objects) discarded(key string) {
	if isProbe(key) {
		return
	}
	if f, ok := o.named[key]; ok && !o.public[key] {
		o.bad.add("staging of %s is deleted, which entry %d names", key, f.entry)
	}
	if !o.public[key] {
		o.gone[key] = true
	}
}

// published returns the file that has just become visible and is an entry's.
func (o *objects) published(key string) (f namedFile, ok bool) {
	if o.public[key] || isProbe(key) {
		return f, false
	}
	o.sched.logf("published %s", key)
	o.public[key] = true
	if f, ok = o.named[key]; !ok {
		o.bad.add("%s is visible and no entry names it", key)
	}
	return f, ok
}

// name notes that an entry names a file, and reports whether it is staged.
func (o *objects) name(e *ledger.Entry, f ledger.File) bool {
	if other, ok := o.named[f.Key]; ok {
		o.bad.add("entries %d and %d name %s", other.entry, e.ID, f.Key)
	}
	o.named[f.Key] = namedFile{e.ID, f}
	if o.gone[f.Key] || o.staging[f.Key] == nil {
		o.bad.add("entry %d names %s, which is not staged", e.ID, f.Key)
		return false
	}
	return true
}

// rowsOf reads a staged file.
func (o *objects) rowsOf(f ledger.File) (rows []Row) {
	var body io.Reader = bytes.NewReader(o.staging[f.Key])
	if f.Kind == ledger.PackFile {
		all, err := readPack(o.staging[f.Key], f)
		if err != nil {
			o.bad.add("%s: %v", f.Key, err)
			return nil
		}
		var parts []io.Reader
		for _, g := range all {
			parts = append(parts, strings.NewReader(g.rows))
		}
		body = io.MultiReader(parts...)
	}
	if f.Kind == ledger.DeadFile || strings.HasSuffix(f.Key, ".gz") {
		z, err := gzip.NewReader(body)
		if err != nil {
			o.bad.add("%s: %v", f.Key, err)
			return nil
		}
		body = z
	}
	for d := json.NewDecoder(body); ; {
		var r struct {
			Row
			format.DeadRow
		}
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			o.bad.add("%s: %v", f.Key, err)
			break
		}
		if f.Kind == ledger.DeadFile && r.Value != nil {
			r.Owner = *r.Value
		}
		rows = append(rows, r.Row)
	}
	if int64(len(rows)) != f.Rows {
		o.bad.add("%s has %d rows, its entry says %d", f.Key, len(rows), f.Rows)
	}
	return rows
}
