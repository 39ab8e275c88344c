package dynamodb_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	service "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/dynamodb"
)

// apart is a service whose clock is not the machine's. It keeps the times that were written.
type apart struct {
	by time.Duration

	mu      sync.Mutex
	begun   string   // of the first bucket
	expires []string // of claims
}

func (a *apart) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := "{}"
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch op {
	case "DescribeTable":
		answer = `{"Table":{"KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"B"}]}}`
	case "UpdateItem":
		var in struct {
			ExpressionAttributeValues map[string]map[string]string
		}
		err = json.Unmarshal(body, &in)
		a.begun = in.ExpressionAttributeValues[":now"]["N"]
	case "BatchExecuteStatement":
		var in struct {
			Statements []struct{ Parameters []map[string]string }
		}
		err = json.Unmarshal(body, &in)
		for _, s := range in.Statements {
			a.expires = append(a.expires, s.Parameters[3]["N"])
		}
		answer = `{"Responses":[` + strings.Repeat(`{},`, len(in.Statements)-1) + `{}]}`
	}
	h := http.Header{"Date": {time.Now().Add(a.by).UTC().Format(http.TimeFormat)}, "Content-Type": {"application/x-amz-json-1.0"}}
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(bytes.NewReader([]byte(answer))), Request: r}, err
}

// The service deletes claims by its own clock, and they were dated by the machine's: one that was two days behind made claims
// that were gone at once, and nobody was told.
func TestClaimsLiveByTheServicesClock(t *testing.T) {
	for _, by := range []time.Duration{-48 * time.Hour, -2 * time.Hour, 0, 2 * time.Hour, 48 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			fake := &apart{by: by}
			client := service.New(service.Options{
				Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.invalid"), HTTPClient: &http.Client{Transport: fake},
				Credentials: aws.AnonymousCredentials{},
			})
			s, err := dynamodb.Open(t.Context(), client, "ids", "job", nil)
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.Open(t.Context(), dedup.Space{Name: "id", Window: 24 * time.Hour, Bucket: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute) //nolint:forbidigo // the clock of the bubble
			if err := h.Claim(t.Context(), claims(0, 3), make([]bool, 3)); err != nil {
				t.Fatal(err)
			}
			theirs := time.Now().Add(by)
			if got, want := fake.begun, strconv.FormatInt(theirs.Unix(), 10); got != want {
				t.Errorf("clocks %v apart: the bucket began at %s, want %s", by, got, want)
			}
			for _, got := range fake.expires {
				if want := strconv.FormatInt(theirs.Add(48*time.Hour).Unix(), 10); got != want {
					t.Errorf("clocks %v apart: a claim expires at %s, want %s", by, got, want)
				}
			}
			if len(fake.expires) != 3 {
				t.Errorf("%d claims were made, want 3", len(fake.expires))
			}
		})
	}
}
