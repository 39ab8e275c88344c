package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/scaler"
)

// Config says what to measure. All fields are required.
type Config struct {
	Brokers []string
	Group   string
	Topics  []string
}

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Sarama configures the connection: version, TLS, credentials, time limits.
	//
	// Defaults to sarama's defaults with the protocol of Kafka 2.4 and time limits of 5 seconds.
	Sarama *sarama.Config

	// FromNewest says that the group begins at the end of a partition for which it has committed nothing yet. Such a
	// partition then has no lag.
	//
	// Defaults to false: all of its records wait.
	FromNewest bool

	// Wait is how long the first Read waits between two readings, since rates are differences. A process that reads only
	// once, such as a cron job, needs it.
	//
	// Defaults to not waiting: the first Read knows no rates.
	Wait time.Duration
}

// Signal measures a group. It is safe for concurrent use.
type Signal struct {
	c    Config
	o    Options
	dial func() (admin, error)
	now  func() time.Time

	mu      sync.Mutex
	admin   admin // nil after a failure, so that the next Read connects anew
	history []offsets
}

// Open connects to the brokers. Close ends the connection.
func Open(c Config, o *Options) (*Signal, error) {
	s := &Signal{c: c, now: time.Now}
	if o != nil {
		s.o = *o
	}
	if len(c.Brokers) == 0 || c.Group == "" || len(c.Topics) == 0 {
		return nil, errors.New("kafka: needs brokers, a group and topics")
	}
	config := cmp.Or(s.o.Sarama, defaults())
	s.dial = func() (admin, error) {
		a, err := sarama.NewClusterAdmin(c.Brokers, config)
		if err != nil {
			return nil, err // not a nil pointer in an interface
		}
		return a, nil
	}
	a, err := s.dial()
	if err != nil {
		return nil, fmt.Errorf("kafka: connect: %w", err)
	}
	s.admin = a
	return s, nil
}

// defaults keep a call short: a scaler would rather miss a reading than a step.
func defaults() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_4_0_0
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = 5*time.Second, 5*time.Second, 5*time.Second
	c.Admin.Timeout, c.Metadata.Timeout = 5*time.Second, 5*time.Second
	c.Metadata.Retry.Max, c.Admin.Retry.Max = 1, 1
	return c
}

// Close ends the connection. Read must not be called any more.
func (s *Signal) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disconnect()
}

func (s *Signal) disconnect() error {
	if s.admin == nil {
		return nil
	}
	a := s.admin
	s.admin = nil
	return a.Close()
}

// Read asks the brokers. A partition that one of them does not tell about makes the sums that need it unknown: a sum of
// some partitions would look like less lag.
func (s *Signal) Read(ctx context.Context) (scaler.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.history) == 0 && s.o.Wait > 0 {
		if _, err := s.read(ctx); err != nil {
			return scaler.Sample{}, err
		}
		select {
		case <-ctx.Done():
			return scaler.Sample{}, ctx.Err()
		case <-time.After(s.o.Wait):
		}
	}
	return s.read(ctx)
}

func (s *Signal) read(ctx context.Context) (scaler.Sample, error) {
	if s.admin == nil {
		a, err := s.dial()
		if err != nil {
			return scaler.Sample{}, fmt.Errorf("kafka: connect: %w", err)
		}
		s.admin = a
	}
	// Sarama's calls take no context; its own time limits bound each of them, and the context ends the reading in between.
	at := s.now()
	o, err := s.offsets(ctx, at)
	if err != nil {
		return scaler.Sample{}, errors.Join(fmt.Errorf("kafka: offsets of group %s: %w", s.c.Group, err), s.disconnect())
	}
	sample := s.sample(o)
	ready, err := s.members()
	if err != nil {
		return sample, errors.Join(fmt.Errorf("kafka: members of group %s: %w", s.c.Group, err), s.disconnect())
	}
	sample.Ready = scaler.Known(float64(ready), at)
	return sample, nil
}
