package main

import (
	"context"
	"fmt"
	"time"
)

// The plain JSON objects of docs/format.md, section 8.

type manifest struct {
	Format     int                 `json:"format"`
	Job        string              `json:"job"`
	Epoch      int                 `json:"epoch"`
	Entry      uint64              `json:"entry"`
	Files      []publicFile        `json:"files"`
	Packs      []publicPack        `json:"packs,omitempty"`
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

// publicPack is a pack, which is in the manifest of a transaction alone.
type publicPack struct {
	Flow     string     `json:"flow"`
	Hour     time.Time  `json:"hour"`
	Key      string     `json:"key"`
	Length   int64      `json:"length"`
	Rows     int64      `json:"rows"`
	CRC32C   string     `json:"crc32c"`
	Contents publicSpan `json:"contents"`
}

type publicSpan struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	CRC32C string `json:"crc32c"`
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

// manifestOf is what the manifest of a commit must say.
func (p *place) manifestOf(c *committed) *manifest {
	m := &manifest{Format: 1, Job: p.name, Epoch: 1, Entry: c.id, Files: []publicFile{}, Flows: map[string]flowSum{}, Partitions: []manifestPartition{}}
	m.Reasons = c.reasons
	for _, d := range c.dropped {
		if m.LateDropped == nil {
			m.LateDropped = map[string]int64{}
		}
		m.LateDropped[d.Flow] = d.Rows
	}
	for i := range c.files {
		f := &c.files[i]
		if f.Kind == kindPack && f.Contents != nil {
			of := publicSpan{f.Contents.Offset, f.Contents.Length, fmt.Sprintf("%08x", f.Contents.CRC32C)}
			m.Packs = append(m.Packs, publicPack{f.Flow, f.Hour, f.Key, f.Length, f.Rows, fmt.Sprintf("%08x", f.CRC32C), of})
			m.Format = 2
		} else {
			m.Files = append(m.Files, public(f))
		}
		if f.Kind == "" || f.Kind == kindPack {
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
func checkManifests(ctx context.Context, l *ledger, objects map[string]int64) (n int, err error) {
	p, all := l.place, l.commits
	with := map[uint64]bool{}
	var read int64
	var sum counts
	for _, c := range all.list {
		if !hasManifest(c.files, c.lanes) {
			continue
		}
		with[c.id] = true
		key := fmt.Sprintf("%smanifests/s0000/%020d.json", p.root, c.id)
		m := new(manifest)
		found, err := p.checkJSON(ctx, key, c.published, m, p.manifestOf(c))
		if err != nil {
			return n, err
		}
		if c.manifest = found; !found {
			continue
		}
		n++
		for i := range m.Partitions {
			read, sum = read+m.Partitions[i].Read, sum.plus(m.Partitions[i].Counts)
		}
	}
	for key := range objects {
		if id := p.number(key, p.root+"manifests/s0000/", ".json"); id > 0 && id <= l.last {
			p.expect(with[id], key, "entry %d has no files and no counts", id)
		}
	}
	if n == len(with) {
		p.expect(read == all.read && sum == all.counts, p.root+"manifests", "all manifests together read %d records with the fates %+v, the ledger %d with %+v",
			read, sum, all.read, all.counts)
	}
	return n, nil
}
