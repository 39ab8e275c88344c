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
)

// ledger is a job's ledger, read and folded.
type ledger struct {
	b      bucket
	r      *report
	prefix string // of all keys of the job
	root   string // the folder of genesis, with a slash
	name   string

	genesis     genesis
	genesisHash string
	hour        time.Duration

	last     uint64 // entry
	hash     string // of it
	tokens   map[string]uint64
	lanes    map[string]lane
	parts    map[partition]*part
	pending  map[uint64][]time.Time // commits with a manifest that are not marked as published, and the hours of their on-time files
	hours    map[time.Time]*hour    // open hours with files
	config   *config
	closed   time.Time
	closer   uint64    // the last Close
	closedAt time.Time // what the clock said for it
	sealed   time.Time

	commits []*committed
	byID    map[uint64]*committed
	byHour  map[time.Time][]*file // on-time files
	closes  []*closing
	claims  map[claim]uint64 // which entry names a file
	read    int64
	counts  counts
	rows    int64

	floor    uint64 // who acquired an unknown lane before it may not know what was done in it
	over     int64  // partitions that were forgotten
	finished finished

	snapshots map[uint64]bool // that exist
	compared  int             // of them
	broken    bool            // it could not be read to its end
}

type lane struct {
	version uint64
	token   string
}

type hour struct {
	hourSum
	first, last uint64
}

// claim is what must be unique to a file.
type claim struct {
	key    string
	offset int64
}

// committed is a commit and what was found of it.
type committed struct {
	id        uint64
	files     []file
	lanes     []laneCommit
	reasons   []reason
	dropped   []flowRows
	published bool // marked
	manifest  bool // is there
}

const genesisName = "e0001/genesis.json"

// ledgerFolder is the folder of genesis, in a key of one of its objects: the job's prefix, its name and the epoch.
var ledgerFolder = regexp.MustCompile(`^((?:.*/)?)_onceflow/([^/]+)/(e\d{4})/[^/]`)

// findJobs returns the ledgers of a bucket, also those that have lost their genesis.
func findJobs(b bucket, r *report, objects map[string]int64) (jobs []*ledger, err error) {
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
		jobs = append(jobs, &ledger{
			b: b, r: r, prefix: prefix, root: root, name: name,
			tokens: map[string]uint64{}, lanes: map[string]lane{}, parts: map[partition]*part{}, pending: map[uint64][]time.Time{},
			finished: finished{at: map[string]int{}}, byID: map[uint64]*committed{}, byHour: map[time.Time][]*file{}, hours: map[time.Time]*hour{}, claims: map[claim]uint64{}, snapshots: map[uint64]bool{},
		})
	}
	return jobs, nil
}

// load reads and folds the whole ledger. An error means that it cannot be checked; violations are reported.
func (l *ledger) load(ctx context.Context, objects map[string]int64) error {
	if err := l.loadGenesis(ctx); err != nil || l.broken {
		return err
	}
	newest := uint64(0)
	for key := range objects {
		newest = max(newest, l.number(key, l.root+"s0000/", ""))
		if n := l.number(key, l.root+"snapshots/s0000/", ""); n > 0 {
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
		what := l.what(l.last + 1)
		if err != nil {
			l.r.bad(what, "%v", err)
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
		l.r.bad(l.what(l.last+1), "it is missing: entry %d exists", newest)
		l.broken = true
	}
	l.checkEnd(objects)
	for n := range l.snapshots {
		l.r.expect(n <= l.last || l.broken, l.root+"snapshots", "snapshot %d is of an entry that does not exist", n)
	}
	return nil
}

// checkEnd looks for owners and manifests that speak of entries beyond the last one. They were listed before it was read.
func (l *ledger) checkEnd(objects map[string]int64) {
	for key := range objects {
		if m := strings.TrimPrefix(key, l.root+"owners/"); m != key && ownerIndex.MatchString(m) {
			n, err := strconv.ParseUint(m[:10], 16, 64)
			l.r.expect(err == nil && n <= l.last+1 || l.broken, key, "it was written when there were %d entries, and there are %d: the newest are lost", n-1, l.last)
		}
		if n := l.number(key, l.root+"manifests/s0000/", ".json"); n > l.last {
			l.r.expect(l.broken, key, "it is of entry %d, and there are %d: the newest are lost", n, l.last)
		}
	}
}

// ownerIndex is the name of an owner object.
var ownerIndex = regexp.MustCompile(`^[0-9a-f]{26}$`)

// what names an entry in reports.
func (l *ledger) what(n uint64) string { return fmt.Sprintf("job %s entry %d", l.name, n) }

// number is the n of a key; 0 if it is not of this kind.
func (l *ledger) number(key, before, after string) uint64 {
	s, ok := strings.CutPrefix(key, before)
	s, ok2 := strings.CutSuffix(s, after)
	if !ok || !ok2 || strings.Contains(s, "/") {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if !l.r.expect(err == nil && n > 0 && fmt.Sprintf("%020d", n) == s, key, "its name is not a number of 20 digits") {
		return 0
	}
	return n
}

func (l *ledger) loadGenesis(ctx context.Context) (err error) {
	key := l.root + "genesis.json"
	l.genesisHash, err = control(ctx, l.b, key, maxEntry, &l.genesis)
	if errors.Is(err, errNewer) {
		return fmt.Errorf("%s: %w", key, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("it is missing, and the ledger has other objects: it has lost its beginning")
	}
	if err != nil {
		l.r.bad(key, "%v", err)
		l.broken = true
		return nil
	}
	g := &l.genesis
	l.hour, l.hash = time.Duration(g.HourNS), l.genesisHash
	if g.Layout != "hive2" || g.Shards != 1 || g.Shard != "single" {
		return fmt.Errorf("%s: layout %q, %d shards (%q): %w", key, g.Layout, g.Shards, g.Shard, errNewer)
	}
	ok := l.r.expect(l.hour >= time.Minute && l.hour%time.Minute == 0 && (24*time.Hour)%l.hour == 0, key, "hours of %s", l.hour)
	l.r.expect(g.Job == l.name && g.Epoch == 1, key, "it is of job %q, epoch %d", g.Job, g.Epoch)
	l.r.expect(isHex(g.Token, 32), key, "token %q", g.Token)
	if g.Start != nil && ok {
		l.r.expect(l.isHour(*g.Start), key, "start %s is not the start of an hour", g.Start)
		l.closed = *g.Start
	}
	l.broken = !ok
	return nil
}

// isHour tells whether t is the start of an hour of the job.
func (l *ledger) isHour(t time.Time) bool { return !t.IsZero() && t.UTC().Truncate(l.hour).Equal(t) }

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }
