package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
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

// sealCheck looks for the manifests and seals of closed hours, and has what was found of them.
type sealCheck struct {
	place *place

	hours, sealed int // closed hours, and those with all their seals
	seals         map[string]bool
	first, last   time.Time
	missing       string // the first one
}

// checkSeals checks the manifest and the seals of each closed hour, in order: there are none behind one that is missing,
// and none at all for hours that are not closed.
//
// What the merge of an hour has made is read before its manifest. So if the listing has the manifest, which is older, all
// units of the hour are merged.
func checkSeals(ctx context.Context, p *place, hs *hours, bs *bundles, objects map[string]int64) (*sealCheck, error) {
	s := &sealCheck{place: p, seals: map[string]bool{}}
	manifests := map[string]bool{}
	for _, c := range hs.closes {
		for h := c.close.From; h.Before(c.close.Through) && p.isHour(h); h = h.Add(p.hour) {
			if s.hours == 0 {
				s.first = h
			}
			s.hours++
			s.last = h.Add(p.hour)
			must := !h.Add(p.hour).After(hs.sealed)
			key := p.root + "hours/" + p.hourName(h) + ".json"
			manifests[key] = true
			_, there := objects[key]
			whole, err := bs.load(ctx, c, h, must || there)
			if err != nil {
				return nil, err
			}
			want := hs.manifestOf(c, h)
			for _, b := range bs.byHour[h.UTC()] {
				if _, known := want.Flows[b.flow]; !known { // while nothing of it is merged
					want.Flows[b.flow] = flowSum{}
				}
			}
			if !whole && !must && !there {
				s.unmerged(c, want, objects)
				continue
			}
			if _, err := p.checkJSON(ctx, key, must, new(hourManifest), want); err != nil {
				return nil, err
			}
			if err := s.hour(ctx, c, want, must); err != nil {
				return nil, err
			}
		}
	}
	for key := range objects {
		if strings.HasPrefix(key, p.root+"hours/") {
			p.expect(manifests[key], key, "it is the manifest of an hour that is not closed")
		}
	}
	return s, nil
}

// hour checks the seals of one hour.
func (s *sealCheck) hour(ctx context.Context, c *closing, want *hourManifest, must bool) error {
	all := true
	for _, flow := range slices.Sorted(maps.Keys(want.Flows)) {
		key := s.place.prefix + flow + "/" + s.place.hourFolder(want.Hour) + c.close.Seal
		s.seals[key] = true
		found, err := s.seal(ctx, key, must)
		if err != nil {
			return err
		}
		if !found {
			all = false
			continue
		}
		s.place.expect(s.missing == "", key, "it is there, and the seal of an hour before it is not: %s", s.missing)
	}
	if all {
		s.sealed++
	} else if s.missing == "" {
		s.missing = s.place.prefix + s.place.hourFolder(want.Hour) + c.close.Seal
	}
	return nil
}

// unmerged checks that an hour whose merge is not over has no seals.
func (s *sealCheck) unmerged(c *closing, want *hourManifest, objects map[string]int64) {
	for _, flow := range slices.Sorted(maps.Keys(want.Flows)) {
		key := s.place.prefix + flow + "/" + s.place.hourFolder(want.Hour) + c.close.Seal
		s.seals[key] = true
		_, there := objects[key]
		s.place.expect(!there, key, "it is there, and its hour is not merged")
	}
	if s.missing == "" {
		s.missing = s.place.prefix + s.place.hourFolder(want.Hour) + c.close.Seal
	}
}

func (s *sealCheck) seal(ctx context.Context, key string, must bool) (found bool, err error) {
	body, err := bucket.Read(ctx, s.place.b, key, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		s.place.expect(!must, key, "it is missing")
		return false, nil
	}
	s.place.expect(len(body) == 0, key, "it has %d bytes and should be empty", len(body))
	return err == nil, err
}
