package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/sink/delivery/keyvalue"
)

// Options are optional settings; nil means all defaults.
type Options struct {
	// Prefix begins all keys.
	//
	// Defaults to none.
	Prefix string

	// TTL is how long a value stays after it was put last. 0 is for ever. A value that has expired has lost its version, so
	// TTL must be longer than a delivery can be behind.
	//
	// Defaults to 0.
	TTL time.Duration

	// Tombstone is how long a key that was deleted keeps its version, so that an older row does not bring it back.
	//
	// Defaults to 7 days.
	Tombstone time.Duration

	// Timeout is how long one batch may take.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration
}

// Store is a keyvalue.Store in Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	opts   Options
}

// Open uses the server of client, which stays the caller's. It fails if the server does not answer.
func Open(ctx context.Context, client redis.UniversalClient, opts *Options) (*Store, error) {
	s := &Store{client: client}
	if opts != nil {
		s.opts = *opts
	}
	o := &s.opts
	if client == nil {
		return nil, errors.New("redis: a client is required, and it is nil")
	}
	if o.TTL < 0 || o.Tombstone < 0 || o.Timeout < 0 {
		return nil, fmt.Errorf("redis: TTL %s, Tombstone %s and Timeout %s must not be negative", o.TTL, o.Tombstone, o.Timeout)
	}
	o.Tombstone, o.Timeout = cmp.Or(o.Tombstone, 7*24*time.Hour), cmp.Or(o.Timeout, 10*time.Second)
	if err := s.teach(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// newer puts a value if it is newer. KEYS: the key. ARGV: the version, 1 if there is a value, the value, and milliseconds to
// live or 0. Versions have one length and no letters but a to f, so they compare alike in every locale.
var newer = redis.NewScript(`
local has = redis.call('HGET', KEYS[1], 'version')
if has and has >= ARGV[1] then return 0 end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'version', ARGV[1], 'value', ARGV[3])
else
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
  redis.call('HDEL', KEYS[1], 'value')
end
if ARGV[4] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
`)

// teach gives the script to the server, to all of a cluster.
func (s *Store) teach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	return classify(newer.Load(ctx, s.client).Err())
}

// PutNewer puts values in one pipeline.
func (s *Store) PutNewer(ctx context.Context, puts []keyvalue.Put) error {
	err := s.pipeline(ctx, puts)
	if err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return classify(err)
	}
	if err := s.teach(ctx); err != nil { // it was started again; what is there already is not newer
		return err
	}
	return classify(s.pipeline(ctx, puts))
}

func (s *Store) pipeline(ctx context.Context, puts []keyvalue.Put) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	p := s.client.Pipeline()
	for i := range puts {
		put := &puts[i]
		has, ttl := "1", s.opts.TTL
		if put.Value == nil {
			has, ttl = "0", s.opts.Tombstone
		}
		newer.EvalSha(ctx, p, []string{s.opts.Prefix + put.Key}, put.Version.String(), has, put.Value, ttl.Milliseconds())
	}
	_, err := p.Exec(ctx)
	return err
}

// classify tells errors of access, which a person has to mend.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, access := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if strings.HasPrefix(err.Error(), access) {
			return fmt.Errorf("redis: %w: %w", fs.ErrPermission, err)
		}
	}
	return fmt.Errorf("redis: %w", err)
}
