package gcs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/driver"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Client is used if it is set. The Store does not close it.
	//
	// Defaults to storage.NewClient with the application's default credentials.
	Client *storage.Client

	// Prefix is put before every key. It is empty, or a key with a slash at its end (driver.CheckPrefix).
	Prefix string

	// ChunkBytes is the size of the pieces in which a staged file is sent; each open file keeps up to two in memory. It is
	// rounded up to a multiple of 256 KiB.
	//
	// Defaults to 4 MiB.
	ChunkBytes int

	// Attempts is how often a request is tried before its error is returned. Timeout is how long one attempt may take, in
	// addition to what its body needs at 256 KiB/s.
	//
	// Default to 5 and 20 seconds.
	Attempts int
	Timeout  time.Duration

	// Recovery is the longest time between a commit and the publication of its files, which includes a stop of the job.
	// sink.Open refuses a bucket whose lifecycle rules delete staged files or files of the job's flows earlier, or its ledger
	// at any time. Reading the rules needs storage.buckets.get.
	//
	// Defaults to 3 days. -1 does not look at the rules.
	Recovery time.Duration

	// Logger gets a warning when the lifecycle rules cannot be read.
	//
	// Defaults to discarding.
	Logger *slog.Logger
}

// Store is a driver.Store on one bucket. It is safe for concurrent use.
type Store struct {
	bucket *storage.BucketHandle
	name   string
	opts   Options
	retry  retry.Requests
	clock  steady.Told
	page   int // objects of a page of a listing

	deletes []driver.Deletion
}

var _ driver.Store = (*Store)(nil)

// Open makes a Store on bucket. It sends a request, so it finds wrong credentials and names.
func Open(ctx context.Context, bucket string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.ChunkBytes = cmp.Or(o.ChunkBytes, 4<<20)
	o.Attempts = cmp.Or(o.Attempts, 5)
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	o.Recovery = cmp.Or(o.Recovery, 72*time.Hour)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if bucket == "" || o.ChunkBytes < 0 || o.Attempts < 1 || o.Timeout < 0 {
		return nil, errors.New("gcs: no bucket named, or ChunkBytes, Attempts or Timeout below zero")
	}
	if err := driver.CheckPrefix(o.Prefix); err != nil {
		return nil, fmt.Errorf("gcs: %w", err)
	}
	if o.Client == nil {
		client, err := storage.NewClient(ctx)
		if err != nil {
			return nil, fmt.Errorf("gcs: no client: set Options.Client or the application's default credentials: %w", err)
		}
		o.Client = client
	}
	s := &Store{bucket: o.Client.Bucket(bucket), name: bucket, opts: o, page: 1000,
		retry: retry.Requests{Attempts: o.Attempts, Timeout: o.Timeout, Passing: passing},
	}
	if _, err := s.Now(ctx); err != nil {
		return nil, err
	}
	return s, s.lookAtRules(ctx)
}

// Traits say that an upload is not to be seen before it is closed.
func (s *Store) Traits() driver.Traits { return driver.Traits{HidesOpen: true, Deletes: s.deletes} }

// staging is where files wait; List leaves it out.
func (s *Store) staging() string { return s.opts.Prefix + "_staging/" }

// object returns a handle that tries once. Retries are ours, since only we can tell our own object from another's.
func (s *Store) object(name string) *storage.ObjectHandle {
	return s.bucket.Object(name).Retryer(storage.WithPolicy(storage.RetryNever))
}

func passing(err error) bool {
	return storage.ShouldRetry(err) || errors.Is(err, context.DeadlineExceeded) || httpStatus(err) == http.StatusConflict
}

func httpStatus(err error) int {
	var api *googleapi.Error
	if errors.As(err, &api) {
		return api.Code
	}
	return 0
}

// reason is the service's word for why it refused.
func reason(err error) string {
	var api *googleapi.Error
	if errors.As(err, &api) && len(api.Errors) > 0 {
		return api.Errors[0].Reason
	}
	return ""
}

func notFound(err error) bool {
	return errors.Is(err, storage.ErrObjectNotExist) || httpStatus(err) == http.StatusNotFound
}

// fail says what was done, then what the service answered, in its own words, then what that may mean.
func (s *Store) fail(doing, key string, err error) error {
	at := fmt.Sprintf("gcs: cannot %s %q in bucket %s", doing, key, s.name)
	switch reason(err) {
	case "retentionPolicyNotMet":
		return &answer{at: at, err: err, sentinel: driver.ErrPermanent, hint: "a retention policy keeps objects from being deleted and replaced. " +
			"Files wait below " + s.staging() + " and are moved from there, which deletes them there; nothing is lost, and it goes on once the " +
			"policy allows it. Use a bucket without such a policy, or take it away"}
	case "objectUnderActiveHold":
		return &answer{at: at, err: err, sentinel: driver.ErrPermanent, hint: "a hold keeps the object from being deleted and replaced. Files wait " +
			"below " + s.staging() + " and are moved from there, which deletes them there; nothing is lost, and it goes on once the hold is " +
			"released. The bucket must not put new objects under a hold by default"}
	}
	switch {
	case httpStatus(err) == http.StatusForbidden, httpStatus(err) == http.StatusUnauthorized:
		return &answer{at: at, err: err, sentinel: driver.ErrPermanent, hint: "the credentials or the account's billing may not allow it"}
	case errors.Is(err, storage.ErrBucketNotExist):
		return &answer{at: at, err: err, sentinel: driver.ErrPermanent, hint: "the bucket may not exist, or be another's"}
	}
	return fmt.Errorf("%s: %w", at, err)
}

// answer is what the service said, and what that may mean.
type answer struct {
	at, hint string
	err      error
	sentinel error // what it matches beside err
}

func (a *answer) Error() string   { return a.at + ": " + a.err.Error() + " (" + a.hint + ")" }
func (a *answer) Unwrap() []error { return []error{a.err, a.sentinel} }

// Now returns the service's clock, which is known from the creation time of objects. If none was created for a minute, it
// writes one of 64 small objects anew.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if t, fresh := s.clock.Fresh(); fresh {
		return t, ctx.Err()
	}
	name := fmt.Sprintf("%sclock/%02d", s.staging(), rand.IntN(64))
	err := s.retry.Do(ctx, 0, func(ctx context.Context) error {
		w := s.object(name).NewWriter(ctx)
		w.ChunkSize = 0
		if _, err := w.Write([]byte("now\n")); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		s.clock.Hear(w.Attrs().Created)
		return nil
	})
	if err != nil {
		return time.Time{}, s.fail("ask the time by writing", name, err)
	}
	return s.clock.Now(), nil
}
