package ledger

import (
	"fmt"
	"slices"
)

// ConfigError means that a job reads other topics than the ledger's last Config says, without a newer generation. The
// instance must not write a Config or close an hour, since it does not know all that an hour waits for.
type ConfigError struct {
	Generation, Last uint64
	Topics, Want     []string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("ledger: generation %d reads the topics %q, but the ledger's last configuration, of generation %d, has %q: "+
		"raise the generation to change the topics", e.Generation, e.Topics, e.Last, e.Want)
}

// CheckConfig says what an instance with these topics may do. due means that it must append its Config before it commits or
// closes. After a *ConfigError it may append neither a Config nor a Close.
func (c *Config) CheckConfig(generation uint64, topics []string) (due bool, err error) {
	switch {
	case generation > c.Generation:
		return true, nil
	case generation == c.Generation && slices.Equal(topics, c.Topics):
		return false, nil
	}
	return false, &ConfigError{generation, c.Generation, topics, c.Topics}
}

// MergeLogs merges the logs of the last Config with those that an instance sees now, and keeps the larger sizes. grown are
// the logs that had fewer partitions before, as they were. A smaller size counts for nothing, since the instance may be
// behind.
func (c *Config) MergeLogs(now []Log) (merged, grown []Log) {
	merged = slices.Clone(c.Logs)
	for _, l := range now {
		i, found := slices.BinarySearchFunc(merged, l, Log.compare)
		switch {
		case !found:
			merged = slices.Insert(merged, i, l)
		case merged[i].Partitions < l.Partitions:
			grown = append(grown, merged[i])
			merged[i] = l
		}
	}
	return merged, grown
}
