package group

import (
	"slices"
	"testing"

	"github.com/IBM/sarama"
)

// T10: of several topics partition i must come to one member, or equal keys meet in no lane.
func TestPartitionsOfALaneComeToOneMember(t *testing.T) {
	topics := map[string][]int32{"a": {0, 1, 2, 3, 4}, "b": {0, 1, 2, 3, 4}}
	members := map[string]sarama.ConsumerGroupMemberMetadata{}
	for _, m := range []string{"x", "y", "z"} {
		members[m] = sarama.ConsumerGroupMemberMetadata{Topics: []string{"a", "b"}}
	}
	plan, err := strategies(false)[0].Plan(members, topics)
	if err != nil {
		t.Fatal(err)
	}
	for m, got := range plan {
		if !slices.Equal(got["a"], got["b"]) {
			t.Errorf("%s has partitions %d of one topic and %d of the other", m, got["a"], got["b"])
		}
	}
}
