package ledger

import (
	"fmt"
	"slices"
	"strings"
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
func (s *State) CheckConfig(generation uint64, topics []string) (due bool, err error) {
	switch {
	case generation > s.Config.Generation:
		return true, nil
	case generation == s.Config.Generation && slices.Equal(topics, s.Config.Topics):
		return false, nil
	}
	return false, &ConfigError{generation, s.Config.Generation, topics, s.Config.Topics}
}

// MergeLogs returns the logs of the last Config with those of an instance that sees these now, which it gives the larger
// sizes, and those of them that had fewer partitions before. A log that shrinks does not: the instance may be behind.
func (s *State) MergeLogs(now []Log) (merged, grown []Log) {
	merged = slices.Clone(s.Config.Logs)
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

// validateConfig lets a newer generation add topics, and the same one add partitions. A topic may be left out only if none
// of its partitions is waited for any more: a topic leaves by Retire.
func (s *State) validateConfig(c *Config) error {
	grows := c.Generation == s.Config.Generation && slices.Equal(c.Topics, s.Config.Topics) && !slices.Equal(c.Logs, s.Config.Logs)
	if c.Generation <= s.Config.Generation && !grows {
		return &VoidError{Reason: fmt.Sprintf("generation %d is not above %d", c.Generation, s.Config.Generation)}
	}
	for _, l := range s.Config.Logs {
		if i, found := slices.BinarySearchFunc(c.Logs, l, Log.compare); !found || c.Logs[i].Partitions < l.Partitions {
			return &VoidError{Reason: fmt.Sprintf("log %q had %d partitions, and it is left out or has fewer", l.Source, l.Partitions)}
		}
	}
	for _, t := range s.Config.Topics {
		if slices.Contains(c.Topics, t) {
			continue
		}
		for p, st := range s.Partitions {
			if (p.Source == t || strings.HasSuffix(p.Source, "/"+t)) && !st.free() {
				return &VoidError{Lane: st.Lane, Reason: fmt.Sprintf("topic %q is left out, but partition %s is not retired", t, p)}
			}
		}
	}
	return nil
}
