package gcs

import (
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
	err := s.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
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
	s.deletes = s.readRules(attrs.Lifecycle.Rules)
	return nil
}

// readRules returns the rules that delete objects or staged files of ours. The sink decides which of them do harm, since it
// knows where its ledger lies.
func (s *Store) readRules(rules []storage.LifecycleRule) (deletes []driver.Deletion) {
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
			deletes = append(deletes, d)
			if strings.HasPrefix(s.staging(), prefix) || strings.HasPrefix(prefix, s.staging()) {
				d.Staging, d.Prefix = true, "" // names in staging do not tell whose flows the files are of
				deletes = append(deletes, d)
			}
		}
	}
	return deletes
}
