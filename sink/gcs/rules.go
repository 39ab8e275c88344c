package gcs

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/onceflow/onceflow/sink/driver"
)

// lookAtRules reads the bucket's lifecycle rules.
func (s *Store) lookAtRules(ctx context.Context) error {
	if s.opts.Recovery < 0 {
		return nil
	}
	var attrs *storage.BucketAttrs
	err := s.do(ctx, 0, func(ctx context.Context) (err error) {
		attrs, err = s.bucket.Attrs(ctx)
		return err
	})
	if ctx.Err() != nil {
		return s.fail("read the lifecycle rules", "", err)
	}
	if err != nil {
		s.opts.Logger.Warn("cannot read the bucket's lifecycle rules: make sure that none deletes below _onceflow/ or _staging/ early",
			"bucket", s.name, "needed", s.opts.Recovery, "err", err)
		return nil
	}
	s.deletes, err = s.readRules(attrs.Lifecycle.Rules)
	return err
}

// readRules refuses a rule that deletes staged files while a committed one may still wait. It returns the rules that delete
// objects of ours. The sink decides which of them do harm, since it knows where its ledger lies.
func (s *Store) readRules(rules []storage.LifecycleRule) (deletes []driver.Deletion, err error) {
	for i := range rules {
		r := &rules[i]
		c := &r.Condition
		// Rules for older versions, or by a time that users set on objects, delete nothing of ours.
		if r.Action.Type != storage.DeleteAction || c.Liveness == storage.Archived || c.NumNewerVersions > 0 ||
			c.DaysSinceNoncurrentTime > 0 || !c.NoncurrentTimeBefore.IsZero() || c.DaysSinceCustomTime > 0 || !c.CustomTimeBefore.IsZero() {
			continue
		}
		after := time.Duration(c.AgeInDays) * 24 * time.Hour
		prefixes := c.MatchesPrefix
		if len(prefixes) == 0 {
			prefixes = []string{""}
		}
		for _, prefix := range prefixes {
			if !strings.HasPrefix(s.opts.Prefix, prefix) && !strings.HasPrefix(prefix, s.opts.Prefix) {
				continue
			}
			d := driver.Deletion{
				Rule: fmt.Sprintf("lifecycle rule %d of bucket %s", i+1, s.name), After: after, Early: after < s.opts.Recovery,
			}
			if len(prefix) > len(s.opts.Prefix) {
				d.Prefix = prefix[len(s.opts.Prefix):]
			}
			staging := strings.HasPrefix(s.staging(), prefix) || strings.HasPrefix(prefix, s.staging())
			if staging && d.Early {
				return nil, fmt.Errorf("gcs: %s deletes objects below %q after %s, but files may stay staged for "+
					"Options.Recovery, %s: a committed file could be lost. Make the rule longer, or Recovery shorter if a stopped job is "+
					"always started again sooner", d.Rule, cmp.Or(prefix, "the bucket"), after, s.opts.Recovery)
			}
			deletes = append(deletes, d)
		}
	}
	return deletes, nil
}
