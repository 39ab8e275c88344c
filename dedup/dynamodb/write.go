package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/onceflow/onceflow/dedup"
)

// Most items of one request, as the service has it.
const (
	insertMost = 25
	writeMost  = 25
	readMost   = 100
)

// insert makes new items. Each statement of a batch is a write on the condition that there is no item. It notes the owner
// of existing items.
func (t *table) insert(ctx context.Context, rs []*request) error {
	statement := fmt.Sprintf(`INSERT INTO "%s" VALUE {'%s': ?, '%s': ?, '%s': ?, '%s': ?}`,
		t.table, keyAttr, holderAttr, bucketAttr, ttlAttr)
	in := &dynamodb.BatchExecuteStatementInput{}
	for _, r := range rs {
		in.Statements = append(in.Statements, types.BatchStatementRequest{
			Statement: &statement,
			Parameters: []types.AttributeValue{
				&types.AttributeValueMemberB{Value: r.key}, &types.AttributeValueMemberB{Value: r.by},
				number(r.bucket), number(t.expires()),
			},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
	}
	out, err := t.client.BatchExecuteStatement(ctx, in)
	if err != nil {
		return fmt.Errorf("dynamodb: claim: %w", classify(err))
	}
	t.hear(out.ResultMetadata)
	if len(out.Responses) != len(rs) {
		return fmt.Errorf("dynamodb: claim: %d answers to %d statements (%w)", len(out.Responses), len(rs), dedup.ErrRefused)
	}
	for i, r := range rs {
		e := out.Responses[i].Error
		if e == nil {
			r.done, r.won = true, true
			continue
		}
		switch e.Code {
		case types.BatchStatementErrorCodeEnumDuplicateItem, types.BatchStatementErrorCodeEnumConditionalCheckFailed:
			r.owner = itemOf(e.Item)
		case types.BatchStatementErrorCodeEnumThrottlingError, types.BatchStatementErrorCodeEnumRequestLimitExceeded,
			types.BatchStatementErrorCodeEnumProvisionedThroughputExceeded, types.BatchStatementErrorCodeEnumInternalServerError,
			types.BatchStatementErrorCodeEnumTransactionConflict:
			// again in the next round
		default:
			return fmt.Errorf("dynamodb: claim: %s: %s (%w)", e.Code, aws.ToString(e.Message), dedup.ErrRefused)
		}
	}
	return nil
}

// replace takes the ID of an expired claim, unless somebody else did.
func (t *table) replace(ctx context.Context, r *request) error {
	_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.table, Item: t.itemOf(r),
		ConditionExpression:                 aws.String("attribute_not_exists(#k) OR (#by = :by AND #b = :b)"),
		ExpressionAttributeNames:            map[string]string{"#k": keyAttr, "#by": holderAttr, "#b": bucketAttr},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":by": &types.AttributeValueMemberB{Value: r.owner.by}, ":b": number(r.owner.bucket)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var taken *types.ConditionalCheckFailedException
	if errors.As(err, &taken) {
		r.owner = nil // the next round asks again
		return nil
	}
	if err != nil {
		return fmt.Errorf("dynamodb: claim: %w", classify(err))
	}
	r.done, r.won = true, true
	return nil
}

// put writes the items of forced claims, whoever has them.
func (t *table) put(ctx context.Context, rs []*request) error {
	byKey := map[string]*request{}
	var writes []types.WriteRequest
	for _, r := range rs {
		if r.owner != nil && r.owner.by != nil && r.owner.bucket >= t.buckets.Bound() {
			r.bucket = max(r.bucket, r.owner.bucket)
		}
		byKey[string(r.key)] = r
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: t.itemOf(r)}})
	}
	out, err := t.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{t.table: writes},
	})
	if err != nil {
		return fmt.Errorf("dynamodb: claim: %w", classify(err))
	}
	for _, r := range rs {
		r.done, r.won = true, true
	}
	for _, w := range out.UnprocessedItems[t.table] {
		if k, ok := w.PutRequest.Item[keyAttr].(*types.AttributeValueMemberB); ok {
			byKey[string(k.Value)].done = false
		}
	}
	return nil
}

// read finds out who has the IDs. For an ID that nobody has it returns an item without a holder.
func (t *table) read(ctx context.Context, rs []*request) error {
	byKey := map[string]*request{}
	var keys []map[string]types.AttributeValue
	for _, r := range rs {
		r.owner = &item{}
		byKey[string(r.key)] = r
		keys = append(keys, map[string]types.AttributeValue{keyAttr: &types.AttributeValueMemberB{Value: r.key}})
	}
	for len(keys) > 0 {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return fmt.Errorf("dynamodb: claim: %w", classify(err))
		}
		for _, got := range out.Responses[t.table] {
			if k, ok := got[keyAttr].(*types.AttributeValueMemberB); ok {
				byKey[string(k.Value)].owner = itemOf(got)
			}
		}
		keys = out.UnprocessedKeys[t.table].Keys
	}
	return nil
}

func (t *table) itemOf(r *request) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		keyAttr: &types.AttributeValueMemberB{Value: r.key}, holderAttr: &types.AttributeValueMemberB{Value: r.by},
		bucketAttr: number(r.bucket), ttlAttr: number(t.expires()),
	}
}

func (t *table) expires() int64 { return t.opts.Now().Add(t.buckets.TTL()).Unix() }

// itemOf reads an item; what is not one has no holder.
func itemOf(a map[string]types.AttributeValue) *item {
	by, ok := a[holderAttr].(*types.AttributeValueMemberB)
	if !ok {
		return &item{}
	}
	n, ok := a[bucketAttr].(*types.AttributeValueMemberN)
	if !ok {
		return &item{}
	}
	b, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return &item{}
	}
	return &item{by: by.Value, bucket: b}
}

func number(n int64) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
