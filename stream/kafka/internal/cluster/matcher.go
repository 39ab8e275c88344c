package cluster

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Matcher tells which topics are read. It is immutable.
type Matcher struct {
	names    map[string]bool
	patterns []*regexp.Regexp
}

// legal are the characters that the name of a topic may have.
var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// NewMatcher reads names and, where they begin with "^", regular expressions.
func NewMatcher(topics []string) (*Matcher, error) {
	m := &Matcher{names: map[string]bool{}}
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
func (m *Matcher) match(topic string, internal bool) bool {
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
