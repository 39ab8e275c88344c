package ledger

import (
	"fmt"
	"slices"
)

// ConfigError means that a job reads other topics than the ledger's last Config says, without a newer generation. The
// instance may write no Config and close no hour: it does not know all that an hour waits for.
type ConfigError struct {
	Generation, Last uint64
	Topics, Want     []string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("ledger: generation %d reads the topics %q, but the ledger's last configuration, of generation %d, has %q: "+
		"raise the generation to change the topics", e.Generation, e.Topics, e.Last, e.Want)
}

// CheckConfig tells what an instance with these topics may do: due means that its Config is to be appended before it
// commits or closes. A *ConfigError means that it may do neither of Config and Close.
func (c *Config) CheckConfig(generation uint64, topics []string) (due bool, err error) {
	switch {
	case generation > c.Generation:
		return true, nil
	case generation == c.Generation && slices.Equal(topics, c.Topics):
		return false, nil
	}
	return false, &ConfigError{generation, c.Generation, topics, c.Topics}
}

// MergeLogs returns the logs of the last Config with those of an instance that sees these now, which it gives the larger
// sizes, and those of them that had fewer partitions before. A log that shrinks does not: the instance may be behind.
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
