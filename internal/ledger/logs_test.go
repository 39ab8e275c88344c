package ledger

import (
	"slices"
	"testing"
)

func TestTheSameGenerationMayAddPartitions(t *testing.T) {
	s := newState(t)
	config := func(gen uint64, topics []string, logs ...Log) *Entry {
		return &Entry{Kind: KindConfig, Token: token(1), Config: &Config{Generation: gen, Topics: topics, Logs: logs}}
	}
	one := []string{"a"}
	must(t, s, config(1, one, Log{"a", "1", 4}))
	wantVoid(t, "is not above", s, config(1, one, Log{"a", "1", 4}))
	wantVoid(t, "had 4 partitions", s, config(1, one, Log{"a", "1", 3}))
	wantVoid(t, "had 4 partitions", s, config(2, one))
	wantVoid(t, "had 4 partitions", s, config(2, one, Log{"a", "2", 5}))
	wantVoid(t, "is not above", s, config(1, []string{"a", "b"}, Log{"a", "1", 5}))
	merged, grown := s.Config.MergeLogs([]Log{{"a", "1", 3}, {"b", "", 7}})
	if len(grown) != 0 || !slices.Equal(merged, []Log{{"a", "1", 4}, {"b", "", 7}}) {
		t.Errorf("merged %v, grown %v: an instance that sees fewer partitions is behind", merged, grown)
	}
	merged, grown = s.Config.MergeLogs([]Log{{"a", "1", 6}})
	if !slices.Equal(grown, []Log{{"a", "1", 4}}) || !slices.Equal(merged, []Log{{"a", "1", 6}}) {
		t.Errorf("merged %v, grown %v, want the old size of what has grown", merged, grown)
	}
	must(t, s, config(1, one, merged...), config(2, one, Log{"a", "1", 6}, Log{"b", "", 7}))
	body, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeState(s.Genesis, s.GenesisHash, s.Last, body)
	if err != nil || !slices.Equal(again.Config.Logs, s.Config.Logs) {
		t.Errorf("a snapshot brings back %v, %v, want %v", again, err, s.Config.Logs)
	}
}
