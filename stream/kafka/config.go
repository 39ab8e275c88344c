package kafka

import (
	"errors"
	"fmt"
	"net"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// Config says what to read.
type Config struct {
	// Brokers are addresses, host:port, of some brokers; the others are found through them.
	Brokers []string

	// Group is the consumer group that shares the lanes out among the processes of a job. OpenGiven wants none.
	Group string

	// Topics are names, or regular expressions of names, which begin with "^". A topic that comes to match an expression
	// later is read from its first record.
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
	if len(c.Topics) == 0 {
		errs = append(errs, errors.New("no Topics"))
	}
	_, err := cluster.NewMatcher(c.Topics)
	return errors.Join(append(errs, err)...)
}
