package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// verify checks one job of b, or all.
//
// A job may run meanwhile, so the order matters. What a first listing shows was named by an entry before; what the ledger
// says is published was there before.
func verify(ctx context.Context, b bucket.Bucket, job string, r *report) error {
	before, err := bucket.Sizes(ctx, b)
	if err != nil {
		return err
	}
	jobs, err := findJobs(b, r, before)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(jobs, func(l *ledger) bool { return job == "" || l.place.name == job }) {
		what := "there is no job"
		if job != "" {
			what = fmt.Sprintf("there is no job %q", job)
		}
		return fmt.Errorf("%s: no object _onceflow/%s/%s; is it the folder that a job writes to?", what, cmpOr(job, "<job>"), genesisName)
	}
	known := map[string]bool{} // files, packs, merge records and seals
	broken := false
	for _, l := range jobs {
		wanted := job == "" || l.place.name == job
		if !wanted {
			l.place.r = &report{out: io.Discard}
		}
		if err := loadInPlace(ctx, l, before); err != nil {
			return err
		}
		broken = broken || l.broken
		seals, err := check(ctx, l, before, wanted)
		if err != nil {
			return err
		}
		for c := range l.commits.claims {
			known[c.key] = true
		}
		for _, files := range l.hours.merged {
			for _, f := range files {
				known[f.Key] = true
			}
		}
		for key := range seals {
			known[key] = true
		}
	}
	if broken {
		fmt.Fprintln(r.out, "a ledger could not be read to its end: files that no entry names were not looked for")
		return nil
	}
	strays(r, before, known)
	return nil
}

// loadInPlace is load, whose violations it prints only if the ledger is where it should be.
func loadInPlace(ctx context.Context, l *ledger, objects map[string]int64) error {
	out := l.place.r.out
	var found bytes.Buffer
	l.place.r.out = &found
	err := l.load(ctx, objects)
	l.place.r.out = out
	if err := misplaced(l, objects); err != nil {
		return err
	}
	if _, e := found.WriteTo(out); e != nil {
		return e
	}
	return err
}

// check checks all that the ledger names, prints what it checked, and returns the keys of the seals and of merge records.
func check(ctx context.Context, l *ledger, objects map[string]int64, wanted bool) (map[string]bool, error) {
	bs := newBundles(l)
	seals, err := checkSeals(ctx, l.place, l.hours, bs, objects)
	if seals != nil {
		maps.Copy(seals.seals, bs.names)
	}
	if err != nil || !wanted {
		if seals == nil {
			return nil, err
		}
		return seals.seals, err
	}
	manifests, err := checkManifests(ctx, l, objects)
	if err != nil {
		return nil, err
	}
	if err := checkOwners(ctx, l.place, l.commits.list); err != nil {
		return nil, err
	}
	if err := checkFlows(ctx, l.place, l.commits.list, l.hours.closes); err != nil {
		return nil, err
	}
	found, err := checkContents(ctx, l, bs)
	if err != nil {
		return nil, err
	}
	summarize(l, found, bs, manifests, seals)
	return seals.seals, nil
}

func summarize(l *ledger, found *contents, bs *bundles, manifests int, seals *sealCheck) {
	fmt.Fprintf(l.place.r.out, "job %s\n", l.place.name)
	l.place.r.line("ledger", "%d entries, %d commits, %d closes, %d snapshots: hashes, checksums, bases, clocks", l.last, len(l.commits.list), len(l.hours.closes), l.compared)
	l.place.r.line("files", "%s with %s rows in %s bytes: lengths, CRC-32C and rows", thousands(found.files), thousands(found.rows), thousands(found.bytes))
	if found.uncounted > 0 {
		l.place.r.line("", "of %d files the format is not known, and the rows were not counted", found.uncounted)
	}
	if l.place.r.unpublished += found.unpublished; found.unpublished > 0 {
		l.place.r.unpublishedRows += found.unpublishedRows
		l.place.r.line("", "%d files of %d entries are committed and not published yet", found.unpublished-found.unplaced, len(l.commits.pending))
	}
	if len(bs.list) > 0 {
		summarizePacks(l.place.r, found, bs)
	}
	l.place.r.line("manifests", "%d", manifests)
	if seals.hours > 0 {
		l.place.r.line("hours", "%d closed, %d sealed: %s", seals.hours, seals.sealed, fromTo(seals.first, seals.last))
	} else {
		l.place.r.line("hours", "none closed")
	}
	c := l.commits.counts
	pending := int64(0)
	for _, p := range l.lanes.parts {
		pending += p.row.PendingLen
	}
	sign := "="
	if l.commits.read != c.sum()+pending { // then a partition was reported
		sign = "is not"
	}
	l.place.r.line("records", "%s read %s %s written + %s merged + %s filtered + %s duplicate + %s late + %s dead + %s pending, in %s",
		thousands(l.commits.read), sign, thousands(c.Written), thousands(c.Merged), thousands(c.Filtered), thousands(c.Duplicate), thousands(c.Late),
		thousands(c.Dead), thousands(pending), l.lanes.String())
}

func summarizePacks(r *report, found *contents, bs *bundles) {
	r.line("packs", "%s with %s rows in %s bytes: lengths, CRC-32C, contents, blocks and rows", thousands(found.packs), thousands(found.packRows),
		thousands(found.packBytes))
	if found.uncountedPacks > 0 {
		r.line("", "of %d packs the format is not known, and the rows were not counted", found.uncountedPacks)
	}
	if found.packsGone > 0 {
		r.line("", "%d are gone since their hours are sealed", found.packsGone)
	}
	r.line("merged", "%d of %d units of closed hours into %s files with %s rows, of %s of which the rows are those of the packs", bs.merged, bs.units,
		thousands(found.merged), thousands(found.mergedRows), thousands(found.compared))
	if found.unplaced > 0 {
		r.line("", "%d files are merged and not published yet", found.unplaced)
	}
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// dataFolder is part of the key of every data file and seal.
var dataFolder = regexp.MustCompile(`(^|/)day=\d{4}-\d\d-\d\d/`)

// ofMerge is part of the key of every pack and merge record, behind what ledgerFolder matches.
var ofMerge = regexp.MustCompile(`/e\d{4}/(packs|merges)/[^/]+/[^/]+$`)

// strays reports data files, packs, merge records and seals that no ledger knows.
func strays(r *report, objects map[string]int64, known map[string]bool) {
	foreign, data, stray := 0, 0, 0
	keys := make([]string, 0, len(objects))
	for key := range objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		switch {
		case strings.Contains("/"+key, "/_onceflow/"):
			if m := ofMerge.FindStringSubmatch(key); m != nil && !known[key] {
				stray++
				r.bad(key, "%s", map[string]string{"packs": "no entry names it", "merges": "it is of no unit of a closed hour"}[m[1]])
			}
		case known[key]:
			data++
		case dataFolder.MatchString(key):
			stray++
			r.bad(key, "no entry names it, and it is no seal of a closed hour")
		default:
			foreign++
		}
	}
	fmt.Fprintf(r.out, "%d stray files beside %s files and seals that ledgers know", stray, thousands(int64(data)))
	if foreign > 0 {
		fmt.Fprintf(r.out, "; %d objects elsewhere are not of a job", foreign)
	}
	fmt.Fprintln(r.out)
}
