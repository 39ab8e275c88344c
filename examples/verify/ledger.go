package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// ledger is a job's ledger, read and folded.
type ledger struct {
	place *place

	genesis     genesis
	genesisHash string
	config      *config
	last        uint64 // entry
	hash        string // of it
	tokens      map[string]uint64

	hours   *hours
	lanes   *lanes
	commits *commits

	snapshots map[uint64]bool // that exist
	compared  int             // of them
	broken    bool            // it could not be read to its end
}

func newLedger(p *place) *ledger {
	l := &ledger{place: p, tokens: map[string]uint64{}, hours: newHours(p), snapshots: map[uint64]bool{}}
	l.lanes = newLanes(p, l.hours)
	l.commits = newCommits(p, l.lanes, l.hours)
	return l
}

const genesisName = "e0001/genesis.json"

// ledgerFolder is the folder of genesis, in a key of one of its objects: the job's prefix, its name and the epoch.
var ledgerFolder = regexp.MustCompile(`^((?:.*/)?)_onceflow/([^/]+)/(e\d{4})/[^/]`)

// findJobs returns the ledgers of a bucket, also those that have lost their genesis.
func findJobs(b bucket.Bucket, r *report, objects map[string]int64) (jobs []*ledger, err error) {
	found := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		m := ledgerFolder.FindStringSubmatch(key)
		if m == nil {
			continue
		}
		prefix, name, epoch := m[1], m[2], m[3]
		if epoch != "e0001" {
			return nil, fmt.Errorf("%s: epoch %s: %w", key, epoch, errNewer)
		}
		root := prefix + "_onceflow/" + name + "/" + epoch + "/"
		if found[root] {
			continue
		}
		found[root] = true
		jobs = append(jobs, newLedger(&place{b: b, r: r, prefix: prefix, root: root, name: name}))
	}
	return jobs, nil
}

// ownerIndex is the name of an owner object.
var ownerIndex = regexp.MustCompile(`^[0-9a-f]{26}$`)

func isToken(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// load reads and folds the whole ledger. An error means that it cannot be checked; violations are reported.
func (l *ledger) load(ctx context.Context, objects map[string]int64) error {
	if err := l.loadGenesis(ctx); err != nil || l.broken {
		return err
	}
	newest := uint64(0)
	for key := range objects {
		newest = max(newest, l.place.number(key, l.place.root+"s0000/", ""))
		if n := l.place.number(key, l.place.root+"snapshots/s0000/", ""); n > 0 {
			l.snapshots[n] = true
		}
	}
	for {
		e, hash, err := l.entry(ctx, l.last+1)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if errors.Is(err, errNewer) {
			return err
		}
		what := l.place.what(l.last + 1)
		if err != nil {
			l.place.bad(what, "%v", err)
			l.broken = true
			return nil
		}
		l.fold(what, e)
		l.last, l.hash = e.ID, hash
		if l.snapshots[l.last] {
			if err := l.checkSnapshot(ctx); err != nil {
				return err
			}
		}
	}
	if newest > l.last {
		l.place.bad(l.place.what(l.last+1), "it is missing: entry %d exists", newest)
		l.broken = true
	}
	l.checkEnd(objects)
	for n := range l.snapshots {
		l.place.expect(n <= l.last || l.broken, l.place.root+"snapshots", "snapshot %d is of an entry that does not exist", n)
	}
	return nil
}

// checkEnd looks for owners and manifests that speak of entries beyond the last one. They were listed before it was read.
func (l *ledger) checkEnd(objects map[string]int64) {
	for key := range objects {
		if m := strings.TrimPrefix(key, l.place.root+"owners/"); m != key && ownerIndex.MatchString(m) {
			n, err := strconv.ParseUint(m[:10], 16, 64)
			l.place.expect(err == nil && n <= l.last+1 || l.broken, key, "it was written when there were %d entries, and there are %d: the newest are lost", n-1, l.last)
		}
		if n := l.place.number(key, l.place.root+"manifests/s0000/", ".json"); n > l.last {
			l.place.expect(l.broken, key, "it is of entry %d, and there are %d: the newest are lost", n, l.last)
		}
	}
}

func (l *ledger) loadGenesis(ctx context.Context) (err error) {
	key := l.place.root + "genesis.json"
	l.genesisHash, err = control(ctx, l.place.b, key, maxEntry, &l.genesis)
	if errors.Is(err, errNewer) {
		return fmt.Errorf("%s: %w", key, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("it is missing, and the ledger has other objects: it has lost its beginning")
	}
	if err != nil {
		l.place.bad(key, "%v", err)
		l.broken = true
		return nil
	}
	g := &l.genesis
	l.place.hour, l.hash = time.Duration(g.HourNS), l.genesisHash
	if g.Layout != "hive2" || g.Shards != 1 || g.Shard != "single" {
		return fmt.Errorf("%s: layout %q, %d shards (%q): %w", key, g.Layout, g.Shards, g.Shard, errNewer)
	}
	ok := l.place.expect(l.place.hour >= time.Minute && l.place.hour%time.Minute == 0 && (24*time.Hour)%l.place.hour == 0, key, "hours of %s", l.place.hour)
	l.place.expect(g.Job == l.place.name && g.Epoch == 1, key, "it is of job %q, epoch %d", g.Job, g.Epoch)
	l.place.expect(isToken(g.Token), key, "token %q", g.Token)
	l.hours.since = g.Created
	if g.Start != nil && g.Start.Before(g.Created) {
		l.hours.since = *g.Start
	}
	if g.Start != nil && ok {
		l.place.expect(l.place.isHour(*g.Start), key, "start %s is not the start of an hour", g.Start)
		l.hours.closed = *g.Start
	}
	l.broken = !ok
	return nil
}
