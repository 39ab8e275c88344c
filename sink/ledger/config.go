package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/internal/mutant"
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

// validateConfig lets a newer generation add topics. One may be left out only if none of its partitions is waited for
// any more: a topic leaves by Retire.
func (s *State) validateConfig(c *Config) error {
	if c.Generation <= s.Config.Generation && !mutant.On("T29") {
		return &VoidError{Reason: fmt.Sprintf("generation %d is not above %d", c.Generation, s.Config.Generation)}
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
