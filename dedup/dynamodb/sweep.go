package dynamodb

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// bucketsKey is the key of the item that says when the claims of each bucket began. Keys of IDs are longer.
func (t *table) bucketsKey() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{keyAttr: &types.AttributeValueMemberB{Value: t.key([]byte("buckets"))}}
}

// begin notes when the first claim of a bucket is made, before it is.
func (t *table) begin(ctx context.Context, rs []*request) error {
	for _, r := range rs {
		if t.buckets.Told(r.bucket) {
			continue
		}
		name := strconv.FormatInt(r.bucket, 10)
		// The attributes of the item are the buckets themselves: a map in it could not be made and filled in one update.
		out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &t.table, Key: t.bucketsKey(),
			UpdateExpression:          aws.String("SET #n = if_not_exists(#n, :now)"),
			ExpressionAttributeNames:  map[string]string{"#n": begunAttr + name},
			ExpressionAttributeValues: map[string]types.AttributeValue{":now": number(t.opts.Now().Unix())},
		})
		if err != nil {
			return fmt.Errorf("dynamodb: begin of a bucket: %w", classify(err))
		}
		t.hear(out.ResultMetadata)
		t.buckets.Tell(r.bucket)
	}
	return nil
}

// Expire lets others take claims below the bucket of at, and checks that all other claims are still there.
func (t *table) Expire(ctx context.Context, at time.Time) error {
	if !t.buckets.Expire(at) {
		return nil
	}
	return t.sweep(ctx)
}

// sweep forgets the begin of buckets that have ended.
func (t *table) sweep(ctx context.Context) error {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.table, Key: t.bucketsKey(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("dynamodb: buckets: %w", classify(err))
	}
	t.hear(out.ResultMetadata)
	now := t.opts.Now()
	var oldest time.Duration
	for name, v := range out.Item {
		n, ok := v.(*types.AttributeValueMemberN)
		if !ok || len(name) <= len(begunAttr) {
			continue
		}
		bucket, err := strconv.ParseInt(name[len(begunAttr):], 10, 64)
		if err != nil {
			continue
		}
		if bucket < t.buckets.Bound() {
			if err := t.forget(ctx, name); err != nil {
				return err
			}
			continue
		}
		if secs, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			oldest = max(oldest, now.Sub(time.Unix(secs, 0)))
		}
	}
	if err := t.buckets.Check(oldest, fmt.Sprintf("the item with the key %x", t.key([]byte("buckets")))); err != nil {
		return fmt.Errorf("dynamodb: %w", err)
	}
	return nil
}

func (t *table) forget(ctx context.Context, name string) error {
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: t.bucketsKey(),
		UpdateExpression: aws.String("REMOVE #n"), ExpressionAttributeNames: map[string]string{"#n": name},
	})
	if err != nil {
		return fmt.Errorf("dynamodb: forget a bucket: %w", classify(err))
	}
	return nil
}
