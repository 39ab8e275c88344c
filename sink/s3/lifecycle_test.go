package s3

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink/driver"
)

// Traps: a rule that aborts uploads while a committed file still waits for its publication would lose its rows.
func TestARuleThatAbortsStagingTooEarlyIsTold(t *testing.T) {
	abort := &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)}
	and := func(prefix string) types.LifecycleRule {
		return types.LifecycleRule{
			ID: aws.String("clean"), Status: "Enabled", AbortIncompleteMultipartUpload: abort,
			Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: &prefix, ObjectSizeLessThan: aws.Int64(1000)}},
		}
	}
	old := func(prefix string) types.LifecycleRule {
		return types.LifecycleRule{ID: aws.String("clean"), Status: "Enabled", AbortIncompleteMultipartUpload: abort, Prefix: &prefix} //nolint:staticcheck // the old form
	}
	rule := func(days int32, prefix string, status types.ExpirationStatus) types.LifecycleRule {
		return types.LifecycleRule{
			ID: aws.String("clean"), Status: status, Filter: &types.LifecycleRuleFilter{Prefix: &prefix},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &days},
		}
	}
	s := &bucket{name: "b", opts: Options{Prefix: "team/", Recovery: 72 * time.Hour}}
	for name, c := range map[string]struct {
		rule types.LifecycleRule
		bad  bool
	}{
		"too early":          {rule(1, "", "Enabled"), true},
		"late enough":        {rule(3, "", "Enabled"), false},
		"switched off":       {rule(1, "", "Disabled"), false},
		"for our folder":     {rule(1, "team/", "Enabled"), true},
		"for a folder of it": {rule(1, "team/views/", "Enabled"), true},
		"for another folder": {rule(1, "logs/", "Enabled"), false},

		// Once read as rules for the whole bucket.
		"for another folder, with more":      {and("logs/"), false},
		"for our folder, with more":          {and("team/"), true},
		"for another folder, in the old way": {old("logs/"), false},
		"for our folder, in the old way":     {old("team/"), true},
	} {
		got := s.readRules([]types.LifecycleRule{c.rule})
		early := slices.ContainsFunc(got, func(d driver.Deletion) bool { return d.Staging && d.Early && strings.Contains(d.Rule, "clean") })
		if early != c.bad {
			t.Errorf("%s: the sink is told of %+v, want one that takes files out of staging too early: %t", name, got, c.bad)
		}
	}
}

// The sink is told of what expires, with prefixes as it knows them.
func TestRulesThatDeleteAreTold(t *testing.T) {
	days := func(n int32) *types.LifecycleExpiration { return &types.LifecycleExpiration{Days: &n} }
	filter := func(prefix string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: &prefix} }
	tagged := &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("a"), Value: aws.String("b")}}
	s := &bucket{name: "b", opts: Options{Prefix: "team/", Recovery: 72 * time.Hour}}
	date := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	rules := []types.LifecycleRule{
		{ID: aws.String("all"), Expiration: days(30)},
		{ID: aws.String("ours"), Expiration: days(1), Filter: filter("team/")},
		{ID: aws.String("flow"), Expiration: days(365), Filter: filter("team/views/")},
		{ID: aws.String("date"), Expiration: &types.LifecycleExpiration{Date: &date}, Filter: filter("team/x")},
		{ID: aws.String("another's"), Expiration: days(1), Filter: filter("logs/")},
		{ID: aws.String("tagged"), Expiration: days(1), Filter: tagged},
		{ID: aws.String("markers"), Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}},
		{ID: aws.String("versions"), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)}},
	}
	for i := range rules {
		rules[i].Status = "Enabled"
	}
	got := s.readRules(rules)
	want := []driver.Deletion{
		{Rule: `lifecycle rule "all" of bucket b`, After: 30 * day},
		{Rule: `lifecycle rule "ours" of bucket b`, After: day, Early: true},
		{Rule: `lifecycle rule "flow" of bucket b`, Prefix: "views/", After: 365 * day},
		{Rule: `lifecycle rule "date" of bucket b`, Prefix: "x", Early: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Files that wait as objects are lost to a rule that deletes below their folder, not to one that aborts uploads.
func TestARuleThatDeletesStagingTooEarlyIsTold(t *testing.T) {
	rule := func(prefix string, days int32) types.LifecycleRule {
		return types.LifecycleRule{
			ID: aws.String("clean"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: &prefix},
			Expiration:                     &types.LifecycleExpiration{Days: &days},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)},
		}
	}
	for name, c := range map[string]struct {
		rule   types.LifecycleRule
		copies bool
		bad    bool
	}{
		"too early":            {rule("team/_staging/", 1), true, true},
		"all, too early":       {rule("", 2), true, true},
		"late enough":          {rule("team/_staging/", 3), true, false},
		"for flows":            {rule("team/views/", 1), true, false},
		"nothing waits there":  {rule("team/_staging/", 1), false, true}, // but uploads do
		"for another's folder": {rule("_staging/", 1), true, false},
	} {
		b := &bucket{name: "b", opts: Options{Prefix: "team/", Recovery: 72 * time.Hour}, copies: c.copies}
		got := b.readRules([]types.LifecycleRule{c.rule})
		if early := slices.ContainsFunc(got, func(d driver.Deletion) bool { return d.Staging && d.Early }); early != c.bad {
			t.Errorf("%s: the sink is told of %+v, want one that takes files out of staging too early: %t", name, got, c.bad)
		}
	}
}
