package dynamodb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/internal/buckets"
	"github.com/onceflow/onceflow/internal/steady"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// TTL is how long a claim is kept, in real time. It must exceed the window plus the longest delay of the job; when that
	// is in danger, the job stops with dedup.ErrForgotten.
	//
	// Defaults to twice the window.
	TTL time.Duration

	// Parallel is the number of requests under way at once, for each lane.
	//
	// Defaults to 16.
	Parallel int

	// Now is the service's clock, for tests.
	//
	// Defaults to what the service's answers say.
	Now func() time.Time
}

// Attributes of an item.
const (
	keyAttr    = "k"       // binary: name of the job, name of the space, ID
	holderAttr = "by"      // binary: hash of the holder
	bucketAttr = "b"       // number: end of the bucket, seconds since 1970
	ttlAttr    = "expires" // number: seconds since 1970
	begunAttr  = "begun"   // map from bucket to seconds since 1970, in the item of the buckets only
)

// Store is a shared store of dedup in a table. It is safe for concurrent use.
type Store struct {
	client *dynamodb.Client
	table  string
	name   string
	opts   Options
	clock  steady.Told
}

// Create creates a table for Open, paid by request, and waits until it is ready. It turns on DynamoDB's deletion of old
// claims.
func Create(ctx context.Context, client *dynamodb.Client, table string) error {
	if client == nil {
		return fmt.Errorf("dynamodb: %w", errNoClient)
	}
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(keyAttr), AttributeType: types.ScalarAttributeTypeB}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(keyAttr), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		return fmt.Errorf("dynamodb: create table %s: %w", table, err)
	}
	w := dynamodb.NewTableExistsWaiter(client)
	if err := w.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &table}, 5*time.Minute); err != nil {
		return fmt.Errorf("dynamodb: create table %s: %w", table, err)
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(ttlAttr), Enabled: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("dynamodb: time to live of table %s: %w", table, err)
	}
	return nil
}

// Open uses a table that Create made. name separates the claims of jobs.
func Open(ctx context.Context, client *dynamodb.Client, table, name string, opts *Options) (*Store, error) {
	s := &Store{client: client, table: table, name: name}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Parallel = cmp.Or(s.opts.Parallel, 16)
	if s.opts.Now == nil {
		s.opts.Now = s.now
	}
	var errs []error
	if client == nil {
		errs = append(errs, errNoClient)
	}
	if name == "" {
		errs = append(errs, errors.New("a name is required"))
	}
	if s.opts.TTL < 0 || s.opts.Parallel < 0 {
		errs = append(errs, fmt.Errorf("TTL %s and Parallel %d must not be negative", s.opts.TTL, s.opts.Parallel))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("dynamodb: %w", errors.Join(errs...))
	}
	d, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("dynamodb: table %s: %w", table, classify(err))
	}
	s.hear(d.ResultMetadata)
	k, a := d.Table.KeySchema, d.Table.AttributeDefinitions
	if len(k) != 1 || *k[0].AttributeName != keyAttr || len(a) == 0 || a[0].AttributeType != types.ScalarAttributeTypeB {
		return nil, fmt.Errorf("dynamodb: table %s has not the one binary key %q, so Create did not make it (%w)", table, keyAttr, dedup.ErrRefused)
	}
	return s, nil
}

// Open returns a handle on the table of sp.Name, which all lanes share.
func (s *Store) Open(ctx context.Context, sp dedup.Space) (dedup.Table, error) {
	b, err := buckets.Open(sp, s.opts.TTL, math.MinInt64)
	if err != nil {
		return nil, fmt.Errorf("dynamodb: %w", err)
	}
	t := &table{Store: s, space: sp, buckets: b}
	for _, part := range []string{s.name, sp.Name} {
		t.prefix = binary.AppendUvarint(t.prefix, uint64(len(part)))
		t.prefix = append(t.prefix, part...)
	}
	if err := t.sweep(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// Close does nothing: the client is the caller's.
func (s *Store) Close() error { return nil }

// hear takes in the service's clock from an answer. By it the service deletes claims.
func (s *Store) hear(m middleware.Metadata) {
	if t, ok := awsmiddleware.GetServerTime(m); ok {
		s.clock.Hear(t)
	}
}

// now is that clock, or the machine's before an answer has told it.
func (s *Store) now() time.Time { return cmp.Or(s.clock.Now(), time.Now()) }
