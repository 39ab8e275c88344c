package gcs

import (
	"slices"
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
	got := s.readRules([]storage.LifecycleRule{
		rule(storage.LifecycleCondition{AgeInDays: 30}),
		rule(storage.LifecycleCondition{AgeInDays: 1, MatchesPrefix: []string{"logs/", "team/views/"}}),
		rule(storage.LifecycleCondition{AgeInDays: 1, Liveness: storage.Archived}),
		rule(storage.LifecycleCondition{NumNewerVersions: 1}),
		rule(storage.LifecycleCondition{DaysSinceCustomTime: 1}),
		aborts,
	})
	want := []driver.Deletion{
		{Rule: "lifecycle rule 1 of bucket b", After: 30 * day},
		{Rule: "lifecycle rule 1 of bucket b", After: 30 * day, Staging: true},
		{Rule: "lifecycle rule 2 of bucket b", Prefix: "views/", After: day, Early: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, prefix := range []string{"", "team/", "team/_staging/", "team/_staging/clock"} {
		got := s.readRules([]storage.LifecycleRule{rule(storage.LifecycleCondition{AgeInDays: 2, MatchesPrefix: []string{prefix}})})
		want := driver.Deletion{Rule: "lifecycle rule 1 of bucket b", After: 2 * day, Early: true, Staging: true}
		if !slices.Contains(got, want) {
			t.Errorf("a rule that deletes below %q after 2 days: %+v, want %+v among them", prefix, got, want)
		}
	}
}
