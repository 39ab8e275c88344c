package cluster

import "testing"

// T21: a topic that was made again under its name has other partitions, which begin at their beginning.
func TestATopicMadeAgainHasOtherPartitions(t *testing.T) {
	v := &View{Cluster: "kafka:c"}
	old, again := &Topic{Name: "t", ID: [16]byte{1}}, &Topic{Name: "t", ID: [16]byte{2}}
	if p, q := v.Partition(old, 3), v.Partition(again, 3); p == q {
		t.Errorf("both are %v", p)
	}
}
