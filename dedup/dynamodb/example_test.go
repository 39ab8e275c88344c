package dynamodb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	service "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/dynamodb"
	"github.com/onceflow/onceflow/stream/record"
)

// double plays the service's part in an example: a table in which an item is inserted unless its key is there.
func double() *httptest.Server {
	items := make(map[string]any)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply := map[string]any{}
		switch _, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); action {
		case "DescribeTable":
			reply["Table"] = map[string]any{
				"KeySchema":            []any{map[string]any{"AttributeName": "k", "KeyType": "HASH"}},
				"AttributeDefinitions": []any{map[string]any{"AttributeName": "k", "AttributeType": "B"}},
			}
		case "BatchExecuteStatement":
			var q struct {
				Statements []struct{ Parameters []map[string]string }
			}
			_ = json.NewDecoder(r.Body).Decode(&q)
			var answers []any
			for _, s := range q.Statements {
				key := s.Parameters[0]["B"]
				if has := items[key]; has != nil {
					answers = append(answers, map[string]any{"Error": map[string]any{"Code": "DuplicateItem", "Item": has}})
					continue
				}
				items[key] = map[string]any{"k": s.Parameters[0], "by": s.Parameters[1], "b": s.Parameters[2], "expires": s.Parameters[3]}
				answers = append(answers, map[string]any{})
			}
			reply["Responses"] = answers
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_ = json.NewEncoder(w).Encode(reply)
	}))
}

// Copies of an ID may be in any partition, so all processes of the job share one table, which Create has made.
func ExampleOpen() {
	ctx := context.Background()
	server := double()
	defer server.Close()
	client := service.New(service.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	})
	ids, err := dynamodb.Open(ctx, client, "ids", "etl", &dynamodb.Options{TTL: 3 * 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	space := dedup.Space{Name: "hits", Window: 24 * time.Hour, Bucket: time.Hour}
	one, err := ids.Open(ctx, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := ids.Open(ctx, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	// dedup.ByID does this for a stage.
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for n, table := range []dedup.Table{one, other} {
		won := make([]bool, 2)
		by := dedup.Holder{Partition: &record.Partition{Source: "hits", ID: fmt.Sprint(n)}}
		err := table.Claim(ctx, []dedup.Claim{{ID: dedup.Hash("a"), Time: at, By: by}, {ID: dedup.Hash(fmt.Sprint(n)), Time: at, By: by}}, won)
		fmt.Println(won, err)
	}
	// Output:
	// [true true] <nil>
	// [false true] <nil>
}
