package service

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A subscription was dated by the machine's clock, what was polled before it by the service's. Where they were a day apart,
// records that were there were told as lost, or a loss was not noticed.
func TestASubscriptionIsDatedByTheServicesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, apart := range []time.Duration{-24 * time.Hour, -2 * time.Hour, 0, 2 * time.Hour, 24 * time.Hour} {
			theirs := time.Now().UTC().Add(apart).Truncate(time.Second)
			now := Clock(answered(t, theirs), time.Now())
			time.Sleep(5 * time.Minute) //nolint:forbidigo // the clock of the bubble
			if got, want := now(), theirs.Add(5*time.Minute); !got.Equal(want) {
				t.Errorf("clocks %v apart: five minutes after the answer it is %v, want %v", apart, got, want)
			}
		}
	})
}

// answered is what the SDK knows of an answer with a date.
func answered(t *testing.T, at time.Time) middleware.Metadata {
	t.Helper()
	stack := middleware.NewStack("test", smithyhttp.NewStackRequest)
	if err := awsmiddleware.AddRecordResponseTiming(stack); err != nil {
		t.Fatal(err)
	}
	reply := middleware.HandlerFunc(func(context.Context, any) (any, middleware.Metadata, error) {
		return &smithyhttp.Response{Response: &http.Response{Header: http.Header{"Date": {at.Format(http.TimeFormat)}}}}, middleware.Metadata{}, nil
	})
	_, m, err := middleware.DecorateHandler(reply, stack).Handle(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
