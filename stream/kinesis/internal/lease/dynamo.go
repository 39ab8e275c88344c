package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Attributes of an item. Group and key are the table's keys.
const (
	groupAttr   = "group"
	keyAttr     = "key"
	counterAttr = "counter"
	ownerAttr   = "owner"
	askerAttr   = "asker"
)

// dynamo is a Table in Amazon DynamoDB.
type dynamo struct {
	client *dynamodb.Client
	table  string
	group  string
}

// OpenTable opens a table in DynamoDB. If there is none it makes one, paid by request. Any number of groups, each a job on
// a stream, can share one.
func OpenTable(ctx context.Context, client *dynamodb.Client, table, group string) (Table, error) {
	d := &dynamo{client, table, group}
	if group == "" || table == "" {
		return nil, fmt.Errorf("%w: table %q and group %q must have names", ErrRefused, table, group)
	}
	desc, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	var none *types.ResourceNotFoundException
	if errors.As(err, &none) || err == nil && desc.Table.TableStatus != types.TableStatusActive {
		desc, err = d.create(ctx)
	}
	if err != nil {
		return nil, d.wrap(err)
	}
	keys := map[string]types.KeyType{}
	for _, k := range desc.Table.KeySchema {
		keys[aws.ToString(k.AttributeName)] = k.KeyType
	}
	if keys[groupAttr] != types.KeyTypeHash || keys[keyAttr] != types.KeyTypeRange {
		return nil, fmt.Errorf("%w: table %s was made for something else: its keys are not %q and %q", ErrRefused, table, groupAttr, keyAttr)
	}
	return d, nil
}

// create makes the table, unless another process is making it, and waits until it can be used.
func (d *dynamo) create(ctx context.Context) (*dynamodb.DescribeTableOutput, error) {
	_, err := d.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &d.table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(groupAttr), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(keyAttr), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(groupAttr), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(keyAttr), KeyType: types.KeyTypeRange},
		},
	})
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return nil, fmt.Errorf("make it: %w", err)
	}
	w := dynamodb.NewTableExistsWaiter(d.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	return w.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &d.table}, 5*time.Minute)
}

// List reads consistently.
func (d *dynamo) List(ctx context.Context) (out []Item, err error) {
	pages := dynamodb.NewQueryPaginator(d.client, &dynamodb.QueryInput{
		TableName: &d.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#g = :g"),
		ExpressionAttributeNames:  map[string]string{"#g": groupAttr},
		ExpressionAttributeValues: map[string]types.AttributeValue{":g": str(d.group)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, d.wrap(err)
		}
		for _, a := range page.Items {
			it, err := parse(a)
			if err != nil {
				return nil, d.wrap(err)
			}
			out = append(out, it)
		}
	}
	return out, nil
}

// Swap puts an item on condition.
func (d *dynamo) Swap(ctx context.Context, old uint64, it Item) error {
	in := &dynamodb.PutItemInput{
		TableName: &d.table, ConditionExpression: aws.String("attribute_not_exists(#k)"),
		ExpressionAttributeNames:            map[string]string{"#k": keyAttr},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		Item: map[string]types.AttributeValue{
			groupAttr: str(d.group), keyAttr: str(it.Key), counterAttr: number(it.Counter), ownerAttr: str(it.Owner), askerAttr: str(it.Asker),
		},
	}
	if old != 0 {
		in.ConditionExpression = aws.String("#c = :c")
		in.ExpressionAttributeNames = map[string]string{"#c": counterAttr}
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":c": number(old)}
	}
	_, err := d.client.PutItem(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return d.wrap(err)
	}
	if now, err := parse(failed.Item); err == nil && now == it {
		return nil
	}
	return ErrConflict
}

// Delete deletes on condition.
func (d *dynamo) Delete(ctx context.Context, key string, counter uint64) error {
	_, err := d.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &d.table, Key: map[string]types.AttributeValue{groupAttr: str(d.group), keyAttr: str(key)},
		ConditionExpression:       aws.String("attribute_not_exists(#k) OR #c = :c"),
		ExpressionAttributeNames:  map[string]string{"#k": keyAttr, "#c": counterAttr},
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": number(counter)},
	})
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return ErrConflict
	}
	return d.wrap(err)
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n uint64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatUint(n, 10)}
}

func parse(a map[string]types.AttributeValue) (it Item, err error) {
	key, ok := a[keyAttr].(*types.AttributeValueMemberS)
	counter, ok2 := a[counterAttr].(*types.AttributeValueMemberN)
	owner, ok3 := a[ownerAttr].(*types.AttributeValueMemberS)
	asker, ok4 := a[askerAttr].(*types.AttributeValueMemberS)
	if !ok || !ok2 || !ok3 || !ok4 {
		return Item{}, fmt.Errorf("%w: an item that is not ours: %v", ErrRefused, a)
	}
	it = Item{Key: key.Value, Owner: owner.Value, Asker: asker.Value}
	if it.Counter, err = strconv.ParseUint(counter.Value, 10, 64); err != nil {
		return Item{}, fmt.Errorf("%w: item %s: %w", ErrRefused, it.Key, err)
	}
	return it, nil
}

// hopeless are errors that trying again does not mend.
var hopeless = []string{
	"ResourceNotFoundException", "AccessDeniedException", "ValidationException", "UnrecognizedClientException",
	"InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
}

func (d *dynamo) wrap(err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(hopeless, api.ErrorCode()) {
		return fmt.Errorf("%w: DynamoDB table %s: %w", ErrRefused, d.table, err)
	}
	return fmt.Errorf("lease: DynamoDB table %s: %w", d.table, err)
}
