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

// readRules refuses a lifecycle rule that aborts uploads while a committed file may still wait in one, and returns those
// that delete objects of ours: which of them do harm is for the sink to say, which knows where its ledger lies. Rules for
// older versions of objects and for delete markers take nothing from us.
func (b *bucket) readRules(rules []types.LifecycleRule) (deletes []driver.Deletion, err error) {
	for i := range rules {
		r := &rules[i]
		prefix, ours := scope(r)
		if r.Status != types.ExpirationStatusEnabled || !ours || !touches(prefix, b.opts.Prefix) {
			continue
		}
		name := fmt.Sprintf("lifecycle rule %q of bucket %s", aws.ToString(r.ID), b.name)
		if abort := r.AbortIncompleteMultipartUpload; abort != nil && abort.DaysAfterInitiation != nil && !b.copies {
			if after := time.Duration(*abort.DaysAfterInitiation) * day; after < b.opts.Recovery {
				return nil, fmt.Errorf("s3: %s aborts multipart uploads after %s, but files may stay "+
					"staged for Options.Recovery, %s: a committed file could be lost. Make the rule longer, or Recovery "+
					"shorter if a stopped job is always started again sooner", name, after, b.opts.Recovery)
			}
		}
		if e := r.Expiration; e != nil && (e.Days != nil || e.Date != nil) {
			after := time.Duration(aws.ToInt32(e.Days)) * day
			deletes = append(deletes, driver.Deletion{
				Rule: name, Prefix: strings.TrimPrefix(prefix, b.opts.Prefix), After: after, Early: after < b.opts.Recovery,
			})
			if len(prefix) < len(b.opts.Prefix) {
				deletes[len(deletes)-1].Prefix = "" // all that is ours
			}
			if d := deletes[len(deletes)-1]; b.copies && d.Early && d.Hits(stagingFolder) {
				return nil, fmt.Errorf("s3: %s deletes objects below %q after %s, but files may stay staged there for Options.Recovery, %s: "+
					"a committed file could be lost. Make the rule longer, or Recovery shorter if a stopped job is always started again "+
					"sooner", name, b.opts.Prefix+stagingFolder, after, b.opts.Recovery)
			}
		}
	}
	return deletes, nil
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
