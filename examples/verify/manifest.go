package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"time"
)

// The plain JSON objects of docs/format.md, section 8.

type manifest struct {
	Format     int                 `json:"format"`
	Job        string              `json:"job"`
	Epoch      int                 `json:"epoch"`
	Entry      uint64              `json:"entry"`
	Files      []publicFile        `json:"files"`
	Flows      map[string]flowSum  `json:"flows"`
	Partitions []manifestPartition `json:"partitions"`

	Reasons     []reason         `json:"reasons,omitempty"`
	LateDropped map[string]int64 `json:"late_dropped,omitempty"`
}

type publicFile struct {
	Flow   string    `json:"flow"`
	Kind   string    `json:"kind,omitempty"`
	Hour   time.Time `json:"hour"`
	Key    string    `json:"key"`
	Offset int64     `json:"offset,omitempty"`
	Length int64     `json:"length"`
	Rows   int64     `json:"rows"`
	CRC32C string    `json:"crc32c"`
}

type flowSum struct {
	Files int64 `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

type manifestPartition struct {
	Lane    string `json:"lane"`
	Source  string `json:"source"`
	Epoch   string `json:"epoch,omitempty"`
	ID      string `json:"id"`
	UpTo    string `json:"up_to,omitempty"`
	Read    int64  `json:"read"`
	Pending int64  `json:"pending"`
	Counts  counts `json:"counts,omitzero"`
}

func public(f *file) publicFile {
	return publicFile{f.Flow, f.Kind, f.Hour, f.Key, f.Offset, f.Length, f.Rows, fmt.Sprintf("%08x", f.CRC32C)}
}

func (s flowSum) plus(f *file) flowSum {
	return flowSum{s.Files + 1, s.Rows + f.Rows, s.Bytes + f.Length}
}

// expected is what the manifest of a commit must say.
func (l *ledger) expected(c *committed) *manifest {
	m := &manifest{Format: 1, Job: l.name, Epoch: 1, Entry: c.id, Files: []publicFile{}, Flows: map[string]flowSum{}, Partitions: []manifestPartition{}}
	m.Reasons = c.reasons
	for _, d := range c.dropped {
		if m.LateDropped == nil {
			m.LateDropped = map[string]int64{}
		}
		m.LateDropped[d.Flow] = d.Rows
	}
	for i := range c.files {
		f := &c.files[i]
		m.Files = append(m.Files, public(f))
		if f.Kind == "" {
			m.Flows[f.Flow] = m.Flows[f.Flow].plus(f)
		}
	}
	for i := range c.lanes {
		for _, p := range c.lanes[i].Partitions {
			m.Partitions = append(m.Partitions, manifestPartition{
				c.lanes[i].Lane, p.Source, p.Epoch, p.ID, p.UpTo, p.Read, p.PendingLen, p.Counts,
			})
		}
	}
	return m
}

// hasManifest tells whether a commit gets a manifest: it has files, or has read or finished records.
func hasManifest(files []file, lanes []laneCommit) bool {
	for i := range lanes {
		for _, p := range lanes[i].Partitions {
			if p.Read != 0 || p.Counts != (counts{}) {
				return true
			}
		}
	}
	return len(files) > 0
}

// checkManifests compares the manifest of each commit that is marked as published, and of others if it is there. Once all
// are there, their counts add up to what the job has read.
func (l *ledger) checkManifests(ctx context.Context, objects map[string]int64) (n int, err error) {
	with := map[uint64]bool{}
	var read int64
	var sum counts
	for _, c := range l.commits {
		if !hasManifest(c.files, c.lanes) {
			continue
		}
		with[c.id] = true
		key := fmt.Sprintf("%smanifests/s0000/%020d.json", l.root, c.id)
		m := new(manifest)
		found, err := l.checkJSON(ctx, key, c.published, m, l.expected(c))
		if err != nil {
			return n, err
		}
		if c.manifest = found; !found {
			continue
		}
		n++
		for _, p := range m.Partitions {
			read, sum = read+p.Read, sum.plus(p.Counts)
		}
	}
	for key := range objects {
		if id := l.number(key, l.root+"manifests/s0000/", ".json"); id > 0 && id <= l.last {
			l.r.expect(with[id], key, "entry %d has no files and no counts", id)
		}
	}
	if n == len(with) {
		l.r.expect(read == l.read && sum == l.counts, l.root+"manifests", "all manifests together read %d records with the fates %+v, the ledger %d with %+v",
			read, sum, l.read, l.counts)
	}
	return n, nil
}

// checkJSON reads a plain JSON object into v and compares it with want, which has the same type.
func (l *ledger) checkJSON(ctx context.Context, key string, must bool, v, want any) (found bool, err error) {
	body, err := read(ctx, l.b, key, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		l.r.expect(!must, key, "it is missing")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if diff := compareJSON(body, v, want); diff != "" {
		l.r.bad(key, "%s", diff)
	}
	return true, nil
}

// compareJSON reads body into v and tells how it differs from want; "" is not at all.
func compareJSON(body []byte, v, want any) string {
	if err := json.Unmarshal(body, v); err != nil {
		return err.Error()
	}
	if diff := difference(v, want); diff != "" {
		return diff
	}
	// Unmarshal takes a name in other letters for the same one, and passes over a name that it does not know: one whose value is
	// zero would not be missed.
	var is, should any
	text, err := json.Marshal(want)
	if err = errors.Join(err, exactly(body, &is), exactly(text, &should)); err != nil {
		return err.Error()
	}
	if !reflect.DeepEqual(is, should) {
		return "its names are not those of the format"
	}
	return ""
}

// exactly decodes JSON as it is spelled.
func exactly(body []byte, v *any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return d.Decode(v)
}

// difference names the first line in which two values differ as JSON.
func difference(got, want any) string {
	a, err := json.MarshalIndent(got, "", " ")
	b, err2 := json.MarshalIndent(want, "", " ")
	if err != nil || err2 != nil {
		return fmt.Sprint(errors.Join(err, err2))
	}
	if bytes.Equal(a, b) {
		return ""
	}
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	line := func(s []string) string {
		if i < len(s) {
			return strings.Trim(s[i], " ,")
		}
		return "nothing more"
	}
	return fmt.Sprintf("it says %s, the ledger says %s", line(x), line(y))
}
