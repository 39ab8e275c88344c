package proof

import (
	"context"
	"testing"

	"github.com/onceflow/onceflow/stream/kafka/internal/batch/batchtest"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// T17, T18: what a leader's answer proves about the end of its log.
func TestWhatProvesTheEndOfALog(t *testing.T) {
	aborted := []wire.Aborted{{Producer: 42, First: 10}}
	for name, c := range map[string]struct {
		stable, high int64
		data         []byte
		aborted      []wire.Aborted
		proved       bool
	}{
		"nothing follows":                     {10, 10, nil, nil, true},
		"a record follows":                    {11, 11, batchtest.Empty(10, 10, 0, 1), nil, false},
		"a transaction is open":               {10, 12, nil, nil, false},
		"a marker is the last":                {11, 11, batchtest.Empty(10, 10, batchtest.Marker, 1), nil, true},
		"aborted records and their marker":    {14, 14, append(batchtest.Empty(10, 12, batchtest.Transactional, 3), batchtest.Empty(13, 13, batchtest.Marker, 1)...), aborted, true},
		"committed records and their marker":  {14, 14, append(batchtest.Empty(10, 12, batchtest.Transactional, 3), batchtest.Empty(13, 13, batchtest.Marker, 1)...), nil, false},
		"what compaction left of a batch":     {11, 11, batchtest.Empty(10, 10, 0, 0), nil, true},
		"something follows that was not sent": {12, 12, batchtest.Empty(10, 10, batchtest.Marker, 1), nil, false},
		"the log was cut off below us":        {9, 9, nil, nil, false},
	} {
		cl := &claim{topic: &cluster.Topic{Name: "t"}, next: 10}
		(&Prover{}).judge(context.Background(), "", cl, &wire.Part{
			LastStable: c.stable, HighWatermark: c.high, Preferred: -1, Data: c.data, Aborted: c.aborted,
		})
		if cl.proved != c.proved {
			t.Errorf("%s: proved is %v, want %v", name, cl.proved, c.proved)
		}
	}
}
