package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/internal/buckets"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// TTL is how long Redis keeps a claim, in real time. It must exceed the window plus the longest delay of the job; when
	// that is in danger, the job stops with dedup.ErrForgotten.
	//
	// Defaults to twice the window.
	TTL time.Duration

	// Batch is the most claims in one call of the script. During a call the server serves nobody else; 1,000 claims take
	// about 3 ms.
	//
	// Defaults to 1,000.
	Batch int

	// Slots spreads the claims over that many hash slots of a Redis Cluster, with a call for each of them. It must stay
	// the same as long as claims matter.
	//
	// Defaults to 1.
	Slots int
}

// Store is a shared store of dedup in Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	name   string
	opts   Options
}

// Open uses the server of client, which the caller closes after the store. name separates the claims of jobs. It fails if
// the server does not answer, or is too old.
func Open(ctx context.Context, client redis.UniversalClient, name string, opts *Options) (*Store, error) {
	s := &Store{client: client, name: name}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Batch = cmp.Or(s.opts.Batch, 1000)
	s.opts.Slots = cmp.Or(s.opts.Slots, 1)
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("a client is required, and it is nil"))
	}
	if name == "" {
		errs = append(errs, errors.New("a name is required"))
	}
	if s.opts.TTL < 0 || s.opts.Batch < 0 || s.opts.Slots < 0 {
		errs = append(errs, fmt.Errorf("TTL %s, Batch %d and Slots %d must not be negative", s.opts.TTL, s.opts.Batch, s.opts.Slots))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("redis: %w", errors.Join(errs...))
	}
	// The probe takes SET with both NX and GET, which Redis 6 refuses.
	probe := s.prefix("", 0) + "probe"
	for range 2 {
		err := client.SetArgs(ctx, probe, "1", redis.SetArgs{Mode: "NX", Get: true, TTL: time.Minute}).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("redis: probe: %w", classify(err))
		}
	}
	return s, nil
}

// prefix begins the keys of a table's slot. Escaped names hold no brace, which would end the hash tag, and no colon.
func (s *Store) prefix(table string, slot int) string {
	return fmt.Sprintf("onceflow:{%s:%s:%d}:", url.QueryEscape(s.name), url.QueryEscape(table), slot)
}

// Open returns a handle on the table of sp.Name, which all lanes share.
func (s *Store) Open(ctx context.Context, sp dedup.Space) (dedup.Table, error) {
	b, err := buckets.Open(sp, s.opts.TTL, minBound)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	t := &table{Store: s, space: sp, buckets: b}
	for i := range s.opts.Slots {
		t.slots = append(t.slots, slot{prefix: s.prefix(sp.Name, i)})
	}
	if err := t.sweep(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// Close does nothing: the client is the caller's.
func (s *Store) Close() error { return nil }
