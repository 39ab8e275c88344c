package gcs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"

	"github.com/onceflow/onceflow/sink/driver"
)

// The rules were once not read at all.
func TestRulesThatDeleteAreTold(t *testing.T) {
	const day = 24 * time.Hour
	s := &Store{name: "b", opts: Options{Prefix: "team/", Recovery: 3 * day}}
	rule := func(c storage.LifecycleCondition) storage.LifecycleRule {
		return storage.LifecycleRule{Action: storage.LifecycleAction{Type: storage.DeleteAction}, Condition: c}
	}
	aborts := rule(storage.LifecycleCondition{AgeInDays: 1})
	aborts.Action.Type = storage.AbortIncompleteMPUAction
	got, err := s.readRules([]storage.LifecycleRule{
		rule(storage.LifecycleCondition{AgeInDays: 30}),
		rule(storage.LifecycleCondition{AgeInDays: 1, MatchesPrefix: []string{"logs/", "team/views/"}}),
		rule(storage.LifecycleCondition{AgeInDays: 1, Liveness: storage.Archived}),
		rule(storage.LifecycleCondition{NumNewerVersions: 1}),
		rule(storage.LifecycleCondition{DaysSinceCustomTime: 1}),
		aborts,
	})
	want := []driver.Deletion{
		{Rule: "lifecycle rule 1 of bucket b", After: 30 * day},
		{Rule: "lifecycle rule 2 of bucket b", Prefix: "views/", After: day, Early: true},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for _, prefix := range []string{"", "team/", "team/_staging/", "team/_staging/clock"} {
		_, err := s.readRules([]storage.LifecycleRule{rule(storage.LifecycleCondition{AgeInDays: 2, MatchesPrefix: []string{prefix}})})
		if err == nil || !strings.Contains(err.Error(), "staged") {
			t.Errorf("a rule that deletes below %q after 2 days: %v, want an error", prefix, err)
		}
	}
}
