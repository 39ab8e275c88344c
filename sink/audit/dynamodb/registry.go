package dynamodb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/onceflow/onceflow/sink/audit"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Keep is how long after its batch was begun an item lives at least. It must be longer than audit.Options.Keep. -1 keeps
	// items for ever.
	//
	// Defaults to 14 days.
	Keep time.Duration
}

// Attributes of an item.
const (
	hourAttr  = "hour"    // string: name of the source, '/', hour of the ID's time as 2025-05-01T06
	batchAttr = "batch"   // binary: the ID (16 bytes), lines (4), bytes (8), oldest event time in milliseconds since 1970 (8), big endian
	ttlAttr   = "expires" // number: seconds since 1970
)

const batchBytes = len(audit.ID{}) + 4 + 8 + 8

// Registry is an audit.Registry in a table. It is safe for concurrent use.
type Registry struct {
	client *dynamodb.Client
	table  string
	name   string
	keep   time.Duration
}

// Create creates a table for Open, paid by request, and waits until it is ready. It turns on DynamoDB's deletion of old
// items.
func Create(ctx context.Context, client *dynamodb.Client, table string) error {
	if client == nil {
		return errNoClient
	}
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(hourAttr), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(batchAttr), AttributeType: types.ScalarAttributeTypeB},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(hourAttr), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(batchAttr), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		return fmt.Errorf("dynamodb: create table %s: %w", table, err)
	}
	w := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = time.Second })
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

var errNoClient = errors.New("dynamodb: a client is required, and it is nil")

// Open uses a table that Create made, for the batches of the source name.
func Open(ctx context.Context, client *dynamodb.Client, table, name string, opts *Options) (*Registry, error) {
	g := &Registry{client: client, table: table, name: name}
	if opts != nil {
		g.keep = opts.Keep
	}
	g.keep = cmp.Or(g.keep, 14*24*time.Hour)
	switch {
	case client == nil:
		return nil, errNoClient
	case name == "" || table == "":
		return nil, errors.New("dynamodb: a table and a name of the source are required")
	case g.keep < -1:
		return nil, fmt.Errorf("dynamodb: Keep %s is negative", g.keep)
	}
	d, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("dynamodb: table %s: %w", table, classify(err))
	}
	k := d.Table.KeySchema
	if len(k) != 2 || aws.ToString(k[0].AttributeName) != hourAttr || aws.ToString(k[1].AttributeName) != batchAttr {
		return nil, fmt.Errorf("dynamodb: table %s has not the keys %q and %q, so Create did not make it: %w", table, hourAttr, batchAttr, fs.ErrInvalid)
	}
	return g, nil
}

// Register writes an item.
func (g *Registry) Register(ctx context.Context, r audit.Registration) error {
	if err := r.Check(); err != nil {
		return err
	}
	b := slices.Grow(r.ID[:len(r.ID):len(r.ID)], batchBytes-len(r.ID))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Lines))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Bytes))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Oldest.UnixMilli()))
	item := map[string]types.AttributeValue{hourAttr: g.hour(r.ID.Time()), batchAttr: &types.AttributeValueMemberB{Value: b}}
	if g.keep > 0 {
		item[ttlAttr] = &types.AttributeValueMemberN{Value: strconv.FormatInt(r.ID.Time().Add(g.keep).Unix(), 10)}
	}
	if _, err := g.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &g.table, Item: item}); err != nil {
		return fmt.Errorf("dynamodb: register batch %s: %w", r.ID, classify(err))
	}
	return nil
}

func (g *Registry) hour(at time.Time) types.AttributeValue {
	return &types.AttributeValueMemberS{Value: g.name + "/" + at.UTC().Format("2006-01-02T15")}
}

// List queries hour by hour.
func (g *Registry) List(ctx context.Context, from, to time.Time) iter.Seq2[audit.Registration, error] {
	return func(yield func(audit.Registration, error) bool) {
		if !from.Before(to) {
			return
		}
		first, end := audit.FirstID(from), audit.FirstID(to) // end begins keys, and is none
		for at := from.UTC().Truncate(time.Hour); at.Before(to); at = at.Add(time.Hour) {
			if !g.listHour(ctx, at, first[:], end[:], yield) {
				return
			}
		}
	}
}

func (g *Registry) listHour(ctx context.Context, at time.Time, first, end []byte, yield func(audit.Registration, error) bool) (goOn bool) {
	in := &dynamodb.QueryInput{
		TableName: &g.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("#h = :h AND #b BETWEEN :first AND :end"), ProjectionExpression: aws.String("#b"),
		ExpressionAttributeNames: map[string]string{"#h": hourAttr, "#b": batchAttr},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":h": g.hour(at), ":first": &types.AttributeValueMemberB{Value: first}, ":end": &types.AttributeValueMemberB{Value: end},
		},
	}
	for {
		out, err := g.client.Query(ctx, in)
		if err != nil {
			return yield(audit.Registration{}, fmt.Errorf("dynamodb: list %s: %w", at.Format(time.RFC3339), classify(err))) && false
		}
		for _, item := range out.Items {
			if r, ok := registration(item); ok && !yield(r, nil) {
				return false
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return true
		}
	}
}

// registration reads an item.
func registration(item map[string]types.AttributeValue) (r audit.Registration, ok bool) {
	v, ok := item[batchAttr].(*types.AttributeValueMemberB)
	if !ok || len(v.Value) != batchBytes {
		return r, false
	}
	rest := v.Value[copy(r.ID[:], v.Value):]
	r.Lines, r.Bytes = int(binary.BigEndian.Uint32(rest)), int64(binary.BigEndian.Uint64(rest[4:]))
	r.Oldest = time.UnixMilli(int64(binary.BigEndian.Uint64(rest[12:]))).UTC()
	return r, r.Check() == nil
}

// Expire leaves old items to the service, which deletes them once Options.Keep has passed.
func (g *Registry) Expire(context.Context, time.Time) error {
	if g.keep < 0 {
		return fmt.Errorf("dynamodb: items without a time to live: %w", errors.ErrUnsupported)
	}
	return nil
}

// hopeless are errors that trying again does not mend.
var hopeless = map[string]error{
	"ResourceNotFoundException": fs.ErrNotExist, "ValidationException": fs.ErrInvalid,
	"AccessDeniedException": fs.ErrPermission, "UnrecognizedClientException": fs.ErrPermission,
	"InvalidSignatureException": fs.ErrPermission, "MissingAuthenticationTokenException": fs.ErrPermission,
}

func classify(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && hopeless[api.ErrorCode()] != nil {
		return fmt.Errorf("%w (%w)", err, hopeless[api.ErrorCode()])
	}
	return err
}
