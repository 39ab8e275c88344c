package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// hourManifest is the manifest of a closed hour, and of one flow as its seal.
type hourManifest struct {
	Format     int                `json:"format"`
	Job        string             `json:"job"`
	Epoch      int                `json:"epoch"`
	Hour       time.Time          `json:"hour"`
	End        time.Time          `json:"end"`
	Entry      uint64             `json:"entry"`
	ClosedAt   time.Time          `json:"closed_at"`
	Flows      map[string]flowSum `json:"flows"`
	Files      []publicFile       `json:"files"`
	Partitions []closedPartition  `json:"partitions,omitempty"`
	Read       int64              `json:"read"`
	Counts     counts             `json:"counts"`
}

func (l *ledger) expectedHour(c *closing, h time.Time) *hourManifest {
	m := &hourManifest{
		Format: 1, Job: l.name, Epoch: 1, Hour: h.UTC(), End: h.UTC().Add(l.hour), Entry: c.id, ClosedAt: c.close.At,
		Flows: map[string]flowSum{}, Files: []publicFile{}, Partitions: c.partitions, Read: c.read, Counts: c.counts,
	}
	for _, flow := range c.close.Flows {
		m.Flows[flow] = flowSum{}
	}
	files := l.byHour[h.UTC()]
	slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.Key, b.Key) })
	for _, f := range files {
		m.Files = append(m.Files, public(f))
		m.Flows[f.Flow] = m.Flows[f.Flow].plus(f)
	}
	return m
}

// only returns what the seal of a flow says.
func (m *hourManifest) only(flow string) *hourManifest {
	s := *m
	s.Flows, s.Partitions, s.Files = map[string]flowSum{flow: m.Flows[flow]}, nil, []publicFile{}
	for _, f := range m.Files {
		if f.Flow == flow {
			s.Files = append(s.Files, f)
		}
	}
	return &s
}

// sealCheck is what was found of seals.
type sealCheck struct {
	hours, sealed int // closed hours, and those with all their seals
	seals         map[string]bool
	first, last   time.Time
	missing       string // the first one
}

// checkSeals checks the manifest and the seals of each closed hour, in order: there are none behind one that is missing,
// and none at all for hours that are not closed.
func (l *ledger) checkSeals(ctx context.Context, objects map[string]int64) (*sealCheck, error) {
	s := &sealCheck{seals: map[string]bool{}}
	manifests := map[string]bool{}
	for _, c := range l.closes {
		for h := c.close.From; h.Before(c.close.Through) && l.isHour(h); h = h.Add(l.hour) {
			if s.hours == 0 {
				s.first = h
			}
			s.hours++
			s.last = h.Add(l.hour)
			must := !h.Add(l.hour).After(l.sealed)
			want := l.expectedHour(c, h)
			key := l.root + "hours/" + l.hourName(h) + ".json"
			manifests[key] = true
			if _, err := l.checkJSON(ctx, key, must, new(hourManifest), want); err != nil {
				return nil, err
			}
			if err := l.checkHourSeals(ctx, s, c, want, must); err != nil {
				return nil, err
			}
		}
	}
	for key := range objects {
		if strings.HasPrefix(key, l.root+"hours/") {
			l.r.expect(manifests[key], key, "it is the manifest of an hour that is not closed")
		}
	}
	return s, nil
}

func (l *ledger) checkHourSeals(ctx context.Context, s *sealCheck, c *closing, want *hourManifest, must bool) error {
	all := true
	for _, flow := range slices.Sorted(maps.Keys(want.Flows)) {
		key := l.prefix + flow + "/" + l.hourFolder(want.Hour) + c.close.Seal
		s.seals[key] = true
		found, err := l.checkSeal(ctx, key, must, c.close.JSON, want.only(flow))
		if err != nil {
			return err
		}
		if !found {
			all = false
			continue
		}
		l.r.expect(s.missing == "", key, "it is there, and the seal of an hour before it is not: %s", s.missing)
	}
	if all {
		s.sealed++
	} else if s.missing == "" {
		s.missing = l.prefix + l.hourFolder(want.Hour) + c.close.Seal
	}
	return nil
}

func (l *ledger) checkSeal(ctx context.Context, key string, must, inJSON bool, want *hourManifest) (found bool, err error) {
	if inJSON {
		return l.checkJSON(ctx, key, must, new(hourManifest), want)
	}
	body, err := read(ctx, l.b, key, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		l.r.expect(!must, key, "it is missing")
		return false, nil
	}
	l.r.expect(len(body) == 0, key, "it has %d bytes and should be empty", len(body))
	return err == nil, err
}
