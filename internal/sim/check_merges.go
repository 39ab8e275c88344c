package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// merges checks what becomes of packs: each row of one is in one file of a merge record, in order, before its hour is sealed.
type merges struct {
	bad     *violations
	objects *objects
	hours   *hours

	packs   map[time.Time]map[string][]ledger.File // by hour and flow, in the order of entries
	units   map[string]*unit                       // of closed hours, by the name of the record
	byOwner map[string]*unit
}

// unit is a unit, and its record if there is one.
type unit struct {
	ledger.Unit
	record *ledger.Merged
}

func newMerges(bad *violations, o *objects, h *hours) *merges {
	return &merges{
		bad: bad, objects: o, hours: h,
		packs: map[time.Time]map[string][]ledger.File{}, units: map[string]*unit{}, byOwner: map[string]*unit{},
	}
}

// add notes a pack of an entry.
func (m *merges) add(f ledger.File) {
	if m.packs[f.Hour] == nil {
		m.packs[f.Hour] = map[string][]ledger.File{}
	}
	m.packs[f.Hour][f.Flow] = append(m.packs[f.Hour][f.Flow], f)
}

// close notes the units of the hours that end: all packs that are in the ledger by then.
func (m *merges) close(e *ledger.Entry) {
	for start, flows := range m.packs {
		if start.Before(e.Close.From) || !start.Before(e.Close.Through) {
			continue
		}
		if e.Close.Merge == nil {
			m.bad.add("entry %d closes %s, which has packs, and does not say how they are merged", e.ID, start)
			return
		}
		for flow, packs := range flows {
			total := int64(0)
			for _, f := range packs {
				total += f.Length
			}
			for _, u := range ledger.Units(e.ID, start, flow, total, e.Close.Merge.UnitBytes) {
				it := &unit{Unit: u}
				m.units[u.Name()], m.byOwner[u.Owner(root)] = it, it
			}
		}
	}
}

// record checks a merge record: it names staged files, which have the rows of its unit in the order of entries.
func (m *merges) record(name string, body []byte) {
	u := m.units[name]
	if u == nil {
		m.bad.add("the merge record %s is of no unit", name)
		return
	}
	r, err := ledger.DecodeMerged(u.Unit, body)
	if err != nil {
		m.bad.add("%v", err)
		return
	}
	u.record = r
	want := map[string]string{}
	for _, f := range m.packs[u.Hour][u.Flow] {
		groups, err := readPack(m.objects.staging[f.Key], f)
		if err != nil {
			m.bad.add("%s: %v", f.Key, err)
		}
		for _, g := range groups {
			if slot := g.slot(); slot >= u.First && slot < u.First+u.Number {
				want[g.path] += g.rows
			}
		}
	}
	got := map[string]string{}
	folder := strings.TrimSuffix(sealKey(u.Flow, u.Hour), "_SEALED")
	for _, f := range m.inOrder(r) {
		m.objects.named[f.Key] = namedFile{u.Close, ledger.File{Flow: u.Flow, Hour: u.Hour, Key: f.Key, Length: f.Length, Rows: f.Rows}}
		if m.objects.gone[f.Key] || m.objects.staging[f.Key] == nil {
			m.bad.add("%s names %s, which is not staged", name, f.Key)
			continue
		}
		rows, n := m.rows(f)
		if n != f.Rows {
			m.bad.add("%s says that %s has %d rows, it has %d", name, f.Key, f.Rows, n)
		}
		of := strings.TrimPrefix(f.Key, folder)
		got[of[:len(of)-len(path.Base(of))]] += rows
	}
	if !maps.Equal(got, want) {
		m.bad.add("%s has %q, its packs have %q", name, got, want)
	}
}

// inOrder are the files of a record in the order in which they were begun.
func (m *merges) inOrder(r *ledger.Merged) []ledger.MergedFile {
	number := func(f ledger.MergedFile) int {
		base, _, _ := strings.Cut(path.Base(f.Key), ".")
		n, err := strconv.Atoi(base[strings.LastIndexByte(base, '-')+1:])
		if err != nil {
			m.bad.add("%s: %v", f.Key, err)
		}
		return n
	}
	return slices.SortedFunc(slices.Values(r.Files), func(a, b ledger.MergedFile) int { return number(a) - number(b) })
}

// rows are the rows of a merged file, and their number.
func (m *merges) rows(f ledger.MergedFile) (string, int64) {
	var body io.Reader = bytes.NewReader(m.objects.staging[f.Key])
	if strings.HasSuffix(f.Key, ".gz") {
		z, err := gzip.NewReader(body)
		if err != nil {
			m.bad.add("%s: %v", f.Key, err)
			return "", 0
		}
		body = z
	}
	all, err := io.ReadAll(body)
	if err != nil {
		m.bad.add("%s: %v", f.Key, err)
	}
	n := int64(0)
	for d := json.NewDecoder(bytes.NewReader(all)); d.More(); n++ {
		var r Row
		if err := d.Decode(&r); err != nil {
			m.bad.add("%s: %v", f.Key, err)
			break
		}
	}
	return string(all), n
}

// unitsOf are the units of an hour.
func (m *merges) unitsOf(start time.Time) (all []*unit) {
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		if m.units[name].Hour.Equal(start) {
			all = append(all, m.units[name])
		}
	}
	return all
}

// files are those of all records of an hour.
func (m *merges) files(start time.Time) (keys []string) {
	for _, u := range m.unitsOf(start) {
		if u.record != nil {
			for _, f := range u.record.Files {
				keys = append(keys, f.Key)
			}
		}
	}
	return keys
}

// missing says what of an hour is not merged, or not visible; empty if nothing is.
func (m *merges) missing(start time.Time) string {
	for _, u := range m.unitsOf(start) {
		if u.record == nil {
			return fmt.Sprintf("unit %s has no record", u.Name())
		}
	}
	for _, key := range m.files(start) {
		if !m.objects.public[key] {
			return key + " is not visible"
		}
	}
	return ""
}

// swept is told that an instance has deleted staging of a unit that may be another's.
func (m *merges) swept(s storage.Staging) {
	if u := m.byOwner[s.Owner]; u == nil || u.record == nil && m.hours.sealedAt[u.Hour].IsZero() {
		m.bad.add("%s is swept, but the unit of its owner has no record", s.Key)
	}
}

// deleted is told that an object is gone: a pack, long after its hour was sealed.
func (m *merges) deleted(key string) {
	f, ok := m.objects.named[key]
	if !ok || f.file.Kind != ledger.PackFile {
		m.bad.add("%s is deleted, which is no pack", key)
		return
	}
	if at := m.hours.sealedAt[f.file.Hour]; at.IsZero() || m.hours.sched.now.Before(at.Add(keep)) {
		m.bad.add("the pack %s is deleted, its hour is sealed since %s", key, at)
	}
}
