package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/internal/gather"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Prefix is put before every key. It is empty, or a key with a slash at its end (driver.CheckPrefix).
	Prefix string

	// Endpoint is the URL of a store other than Amazon's, such as http://127.0.0.1:9000.
	Endpoint string

	// PathStyle puts the bucket into the path instead of the host's name; most stores other than Amazon's need it.
	PathStyle bool

	// Encryption asks for server-side encryption: "AES256" (SSE-S3) or "aws:kms", the latter with KMSKey or the bucket's
	// default key. Empty leaves it to the bucket.
	Encryption string
	KMSKey     string

	// PartBytes is the length of the parts of a staged file, at least 5 MiB. All parts of a file but the last have one length,
	// which is an 80th of sink.Options.FileBytes if that is more. Each open file keeps up to two in memory.
	//
	// Defaults to 8 MiB.
	PartBytes int

	// Staging says as what files wait for their publication. "uploads": as multipart uploads that are not completed. "objects": as
	// objects below <prefix>_staging/, which are copied to their keys and deleted. That needs s3:DeleteObject there, and takes
	// files of at most 5 GiB.
	//
	// Defaults to uploads where the store lists these, else to objects. Stores like MinIO, which lists none, show no
	// abandoned upload, and the MinIO that was tried loses committed uploads if it is killed while it completes them.
	Staging string

	// Attempts is how often a request is tried before its error is returned. Timeout is how long one attempt may take, in
	// addition to what its body needs at 256 KiB/s.
	//
	// Default to 5 and 20 seconds.
	Attempts int
	Timeout  time.Duration

	// Recovery is the longest time between a commit and the publication of its files, which includes a stop of the job.
	// sink.Open refuses a bucket whose lifecycle rules abort multipart uploads earlier, or let staged files or those of the
	// job's flows expire earlier, or its ledger at any time. Rules for objects with tags are ignored.
	//
	// Defaults to 3 days. -1 does not look at the rules.
	Recovery time.Duration

	// Logger gets a warning when the lifecycle rules cannot be read, or when files wait as uploads that the store does not list.
	//
	// Defaults to discarding.
	Logger *slog.Logger
}

// Store is a driver.Store on one bucket. It is safe for concurrent use.
type Store struct {
	bucket *bucket
	spare  gather.Spare

	listsUploads bool // see canList
	deletes      []driver.Deletion
}

var _ driver.Store = (*Store)(nil)

// Open makes a Store on the bucket of that name. It sends a few requests, so it finds wrong credentials, regions and names.
// The Store does its own retries: all users of a client share its quota for them, which runs out when it is needed.
func Open(ctx context.Context, cfg aws.Config, name string, opts *Options) (*Store, error) {
	o, err := fill(opts)
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if name == "" {
		return nil, errors.New("s3: no bucket named")
	}
	b := &bucket{name: name, opts: o, retry: retry.Requests{Attempts: o.Attempts, Timeout: o.Timeout, Passing: passing}}
	b.client = s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.Retryer = aws.NopRetryer{}
		c.UsePathStyle = o.PathStyle
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		if cfg.HTTPClient == nil { // c has one in any case
			client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
			b.patient = client
			c.HTTPClient = client.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = o.Timeout })
		}
	})
	if cache, ok := b.client.Options().Credentials.(interface{ Invalidate() }); ok {
		b.retry.Passing = func(err error) bool {
			if errorCode(err) == "ExpiredToken" {
				cache.Invalidate()
			}
			return passing(err)
		}
	}
	if err := b.askTime(ctx); err != nil {
		return nil, err
	}
	s := &Store{bucket: b}
	if err := s.chooseStaging(ctx); err != nil {
		return nil, err
	}
	if s.deletes, err = b.deletes(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// chooseStaging finds out what the store can do with uploads, and with objects if files are to wait as such.
func (s *Store) chooseStaging(ctx context.Context) (err error) {
	b := s.bucket
	if s.listsUploads, err = b.canList(ctx); err != nil {
		return err
	}
	b.copies = b.opts.Staging == stagingObjects || b.opts.Staging == "" && !s.listsUploads
	switch {
	case b.copies:
		return b.canCopy(ctx)
	case !s.listsUploads:
		b.opts.Logger.Warn("the store does not list multipart uploads: what crashed processes staged stays until the "+
			"store drops it by itself, which must not be before a stopped job publishes what it committed",
			"bucket", b.name, "needed", b.opts.Recovery)
	}
	return nil
}

// The values of Options.Staging.
const (
	stagingUploads = "uploads"
	stagingObjects = "objects"
)

// hidesAll reports whether nothing that is staged can be listed.
func (s *Store) hidesAll() bool { return !s.bucket.copies && !s.listsUploads }

// Traits say that Publish may overwrite, since a completion with a condition that meets a conflict would ask for all parts
// again, and no store that was tried heeds a condition on a copy; that an upload is not to be seen before its first part is
// sent; and how long a file has to be to show whether the store takes parts.
func (s *Store) Traits() driver.Traits {
	return driver.Traits{
		Overwrites: true, HidesOpen: true, HidesAll: s.hidesAll(), Deletes: s.deletes, PartBytes: int64(s.bucket.opts.PartBytes),
	}
}

// Now returns the store's clock. It costs a request about once a minute.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if t, fresh := s.bucket.clock.Fresh(); fresh {
		return t, ctx.Err()
	}
	if err := s.bucket.askTime(ctx); err != nil {
		return time.Time{}, err
	}
	return s.bucket.clock.Now(), nil
}

func fill(opts *Options) (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.PartBytes = cmp.Or(o.PartBytes, 8<<20)
	o.Attempts = cmp.Or(o.Attempts, 5)
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	o.Recovery = cmp.Or(o.Recovery, 72*time.Hour)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	var errs []error
	if o.PartBytes < 5<<20 {
		errs = append(errs, fmt.Errorf("PartBytes %d is below the 5 MiB that S3 asks for", o.PartBytes))
	}
	if o.Attempts < 1 {
		errs = append(errs, fmt.Errorf("Attempts %d is below 1", o.Attempts))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("Timeout %s is negative", o.Timeout))
	}
	switch o.Staging {
	case "", stagingUploads, stagingObjects:
	default:
		errs = append(errs, fmt.Errorf("Staging %q is neither uploads nor objects", o.Staging))
	}
	switch o.Encryption {
	case "", string(types.ServerSideEncryptionAes256), string(types.ServerSideEncryptionAwsKms):
	default:
		errs = append(errs, fmt.Errorf("Encryption %q is neither AES256 nor aws:kms", o.Encryption))
	}
	if o.KMSKey != "" && o.Encryption != string(types.ServerSideEncryptionAwsKms) {
		errs = append(errs, errors.New("KMSKey is set, but Encryption is not aws:kms"))
	}
	return o, errors.Join(append(errs, driver.CheckPrefix(o.Prefix))...)
}
