package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// place is where the objects of a job are.
type place struct {
	b      bucket.Bucket
	r      *report
	prefix string // of all keys of the job
	root   string // the folder of genesis, with a slash
	name   string
	hour   time.Duration // as the genesis says
}

func (p *place) bad(what, format string, args ...any) { p.r.bad(what, format, args...) }

func (p *place) expect(ok bool, what, format string, args ...any) bool {
	return p.r.expect(ok, what, format, args...)
}

// what names an entry in reports.
func (p *place) what(n uint64) string { return fmt.Sprintf("job %s entry %d", p.name, n) }

// number is the n of a key; 0 if it is not of this kind.
func (p *place) number(key, before, after string) uint64 {
	s, ok := strings.CutPrefix(key, before)
	s, ok2 := strings.CutSuffix(s, after)
	if !ok || !ok2 || strings.Contains(s, "/") {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if !p.expect(err == nil && n > 0 && fmt.Sprintf("%020d", n) == s, key, "its name is not a number of 20 digits") {
		return 0
	}
	return n
}

// isHour tells whether t is the start of an hour of the job.
func (p *place) isHour(t time.Time) bool { return !t.IsZero() && t.UTC().Truncate(p.hour).Equal(t) }

func (p *place) blob(ctx context.Context, ref *blobRef) (*blob, error) {
	b := new(blob)
	hash, err := control(ctx, p.b, p.root+ref.Key, maxBlob, b)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %v", ref.Key, err) //nolint:errorlint // a blob that is missing is no end of the ledger
	}
	if hash != ref.SHA256 {
		return nil, fmt.Errorf("blob %s is not the one that the entry names", ref.Key)
	}
	return b, nil
}
