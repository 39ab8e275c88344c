package kafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
)

// Config says what to read.
type Config struct {
	// Brokers are addresses, host:port, of some brokers; the others are found through them.
	Brokers []string

	// Group is the consumer group that shares the lanes out among the processes of a job.
	Group string

	// Topics are names, or regular expressions of names, which begin with "^". Topics that come to match an expression
	// are read from their first record on.
	Topics []string
}

func (c *Config) validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("no Brokers"))
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("broker %q is not host:port", b))
		}
	}
	if c.Group == "" {
		errs = append(errs, errors.New("no Group"))
	}
	if len(c.Topics) == 0 {
		errs = append(errs, errors.New("no Topics"))
	}
	_, err := newMatcher(c.Topics)
	return errors.Join(append(errs, err)...)
}

// matcher tells which topics are read. It is immutable.
type matcher struct {
	names    map[string]bool
	patterns []*regexp.Regexp
}

// legal are the characters that the name of a topic may have.
var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func newMatcher(topics []string) (*matcher, error) {
	m := &matcher{names: map[string]bool{}}
	var errs []error
	for _, t := range topics {
		if !strings.HasPrefix(t, "^") {
			if !legal.MatchString(t) || t == "." || t == ".." {
				errs = append(errs, fmt.Errorf("topic %q is no legal name; an expression begins with ^", t))
			}
			m.names[t] = true
			continue
		}
		re, err := regexp.Compile("^(?:" + t + ")$")
		if err != nil {
			errs = append(errs, fmt.Errorf("topic %q: %w", t, err))
			continue
		}
		m.patterns = append(m.patterns, re)
	}
	return m, errors.Join(errs...)
}

// match reports whether a topic is read. Expressions never match internal topics.
func (m *matcher) match(topic string, internal bool) bool {
	if m.names[topic] {
		return true
	}
	for _, re := range m.patterns {
		if !internal && re.MatchString(topic) {
			return true
		}
	}
	return false
}
