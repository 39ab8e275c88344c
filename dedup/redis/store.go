package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
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

	// Logger gets a line from Open if the server loses claims when it is started again, since it writes no append-only file,
	// or when it is full, since it evicts. A server that does not tell is taken at its word.
	//
	// Defaults to discarding.
	Logger *slog.Logger
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
	s.opts.Logger = cmp.Or(s.opts.Logger, slog.New(slog.DiscardHandler))
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
	s.warn(ctx)
	return s, nil
}

// warn tells of settings with which the server forgets claims. Some services and permissions do not show them.
func (s *Store) warn(ctx context.Context) {
	info := map[string]string{}
	for _, section := range []string{"persistence", "memory"} {
		text, err := s.client.Info(ctx, section).Result()
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(text, "\r\n") {
			if key, value, ok := strings.Cut(line, ":"); ok {
				info[key] = value
			}
		}
	}
	if info["aof_enabled"] == "0" {
		s.opts.Logger.Warn("Redis writes no append-only file (appendonly no): when it is started again it has lost IDs, and copies of them pass")
	}
	if p := info["maxmemory_policy"]; p != "" && p != "noeviction" && info["maxmemory"] != "0" {
		s.opts.Logger.Warn("Redis evicts keys when it is full: copies of the IDs that it evicts pass; set maxmemory-policy noeviction", "policy", p)
	}
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
		prefix := s.prefix(sp.Name, i)
		mark, err := s.mark(ctx, prefix+"mark")
		if err != nil {
			return nil, err
		}
		t.slots = append(t.slots, slot{prefix: prefix, mark: mark})
	}
	if err := t.sweep(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// mark returns the mark of a table, and makes one if there is none. A server that has lost its claims has lost the mark too, so
// a handle that finds another one knows that.
func (s *Store) mark(ctx context.Context, key string) (string, error) {
	fresh := rand.Text()
	mark, err := s.client.SetArgs(ctx, key, fresh, redis.SetArgs{Mode: "NX", Get: true}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("redis: mark: %w", classify(err))
	}
	return cmp.Or(mark, fresh), nil
}

// Close does nothing: the client is the caller's.
func (s *Store) Close() error { return nil }
