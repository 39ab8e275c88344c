package s3

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink/driver"
)

const day = 24 * time.Hour

// readRules returns the lifecycle rules that delete objects of ours or files that wait for their publication: which of them
// do harm is for the sink to say, which knows where its ledger lies. Rules for older versions of objects and for delete
// markers take nothing from us.
func (b *bucket) readRules(rules []types.LifecycleRule) (deletes []driver.Deletion) {
	for i := range rules {
		r := &rules[i]
		prefix, ours := scope(r)
		if r.Status != types.ExpirationStatusEnabled || !ours || !touches(prefix, b.opts.Prefix) {
			continue
		}
		d := driver.Deletion{Rule: fmt.Sprintf("lifecycle rule %q of bucket %s", aws.ToString(r.ID), b.name)}
		if len(prefix) > len(b.opts.Prefix) {
			d.Prefix = prefix[len(b.opts.Prefix):]
		}
		if abort := r.AbortIncompleteMultipartUpload; abort != nil && abort.DaysAfterInitiation != nil && !b.copies {
			d := d
			d.Staging, d.After = true, time.Duration(*abort.DaysAfterInitiation)*day
			d.Early = d.After < b.opts.Recovery
			deletes = append(deletes, d)
		}
		if e := r.Expiration; e != nil && (e.Days != nil || e.Date != nil) {
			d.After = time.Duration(aws.ToInt32(e.Days)) * day
			d.Early = d.After < b.opts.Recovery
			deletes = append(deletes, d)
			if b.copies && d.Hits(stagingFolder) {
				d.Staging, d.Prefix = true, "" // names in staging do not tell whose flows the files are of
				deletes = append(deletes, d)
			}
		}
	}
	return deletes
}

// touches reports whether a rule for a prefix is for keys of ours.
func touches(prefix, ours string) bool {
	return strings.HasPrefix(ours, prefix) || strings.HasPrefix(prefix, ours)
}

// largest is above the size of every object of a ledger: see docs/format.md.
const largest = 1 << 28

// scope is the prefix of a rule, wherever it stands, and whether the rule can be for our objects: they have no tags, and
// one that is for huge objects alone takes files at most, which is the user's to decide.
func scope(r *types.LifecycleRule) (prefix string, ours bool) {
	if r.Filter == nil {
		return aws.ToString(r.Prefix), true //nolint:staticcheck // the old form, which buckets still have
	}
	f := r.Filter
	prefix, tags, above := aws.ToString(f.Prefix), f.Tag != nil, aws.ToInt64(f.ObjectSizeGreaterThan)
	if and := f.And; and != nil {
		prefix, tags, above = aws.ToString(and.Prefix), len(and.Tags) > 0, aws.ToInt64(and.ObjectSizeGreaterThan)
	}
	return prefix, !tags && above < largest
}
