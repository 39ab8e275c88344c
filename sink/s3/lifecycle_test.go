package s3

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Traps: a rule that aborts uploads while a committed file still waits for its publication would lose its rows.
func TestOpenRefusesARuleThatAbortsStagingTooEarly(t *testing.T) {
	rule := func(days int32, prefix string, status types.ExpirationStatus) types.LifecycleRule {
		return types.LifecycleRule{
			ID: aws.String("clean"), Status: status, Filter: &types.LifecycleRuleFilter{Prefix: &prefix},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &days},
		}
	}
	s := &Store{bucket: "b", opts: Options{Prefix: "team/", Recovery: 72 * time.Hour}}
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
	} {
		err := s.checkRules([]types.LifecycleRule{c.rule})
		if (err != nil) != c.bad {
			t.Errorf("%s: %v, want an error: %t", name, err, c.bad)
		}
		if err != nil && !strings.Contains(err.Error(), "clean") {
			t.Errorf("%s: error %v does not name the rule", name, err)
		}
	}
}
