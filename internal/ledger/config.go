package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/record"
)

// ConfigError means that a job reads something else than the ledger's last Config says, without a newer generation. The
// instance must not write a Config or close an hour, since it does not know all that an hour waits for.
type ConfigError struct{ Here, Last Config }

func (e *ConfigError) Error() string {
	return fmt.Sprintf("ledger: %s, but %s: raise the generation to change what is read",
		e.Here.reads("generation", "reads"), e.Last.reads("the ledger's last configuration, of generation", "has"))
}

func (c *Config) reads(who, verb string) string {
	s := fmt.Sprintf("%s %d %s the topics %q", who, c.Generation, verb, c.Topics)
	if len(c.Sources) > 0 {
		s += fmt.Sprintf(" of the sources %q", c.Sources)
	}
	return s
}

// CheckConfig says what an instance may do that reads what next says. due means that it must append its Config before it
// commits or closes. After a *ConfigError it may append neither a Config nor a Close.
func (c *Config) CheckConfig(next *Config) (due bool, err error) {
	switch {
	case next.Generation > c.Generation:
		return true, nil
	case next.Generation == c.Generation && c.sameInput(next):
		return false, nil
	}
	return false, &ConfigError{*next, *c}
}

func (c *Config) clone() *Config {
	return &Config{Generation: c.Generation, Topics: slices.Clone(c.Topics), Sources: slices.Clone(c.Sources), Logs: slices.Clone(c.Logs)}
}

// sameInput reports whether both read the same, apart from how many partitions that has.
func (c *Config) sameInput(d *Config) bool {
	return slices.Equal(c.Topics, d.Topics) && slices.Equal(c.Sources, d.Sources)
}

// without returns what c no longer reads of a partition that was read by was: its source, or its topic. "" means that it
// still reads it.
func (c *Config) without(was *Config, p record.Partition) string {
	for _, s := range was.Sources {
		if sourceName(s) == sourceName(p.Source) && !slices.Contains(c.Sources, s) {
			return fmt.Sprintf("source %q is left out", s)
		}
	}
	for _, t := range was.Topics {
		if has(t, p.Source) && !slices.Contains(c.Topics, t) {
			return fmt.Sprintf("topic %q is left out", t)
		}
	}
	return ""
}

func sourceName(s string) string {
	name, _ := sourcename.Split(s)
	return name
}

// has reports whether partitions of the source belong to the topic.
func has(topic, source string) bool {
	name, t := sourcename.Split(topic)
	of, s := sourcename.Split(source)
	return name == of && (s == t || strings.HasSuffix(s, "/"+t))
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
