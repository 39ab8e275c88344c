package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// LostError says what is gone of a shard. It matches driver.ErrLost. Nothing was skipped: a person decides what to do.
type LostError struct {
	Partition record.Partition
	After     record.Position // the last record that was consumed; zero if none was
	Why       string          // what took the records, or may have
}

// Error names the shard and the position.
func (e *LostError) Error() string {
	if e.After.IsZero() {
		return fmt.Sprintf("kinesis: %v: records are gone: %s", e.Partition, e.Why)
	}
	return fmt.Sprintf("kinesis: %v: records after %v are gone: %s", e.Partition, e.After, e.Why)
}

// Is makes the error match driver.ErrLost.
func (e *LostError) Is(target error) bool { return target == driver.ErrLost }

// StallError says that a shard, or the list of shards, could not be read for long.
type StallError struct {
	What  string
	Since time.Time
	Err   error // the last error
}

// Error tells what hangs, since when and why.
func (e *StallError) Error() string {
	return fmt.Sprintf("kinesis: %s makes no progress since %s: %v", e.What, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap returns the last error.
func (e *StallError) Unwrap() error { return e.Err }

// errClosed is what calls get that are under way when the source is closed.
var errClosed = errors.New("kinesis: the source is closed")

// throttled reports whether err says that there are too many requests, by this or by other readers.
func throttled(err error) bool {
	switch code(err) {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException",
		"Throttling", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown":
		return true
	}
	return false
}

// code is the service's name of an error; empty if it did not come from there.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func expired(err error) bool {
	var e *types.ExpiredIteratorException
	return errors.As(err, &e)
}

func missing(err error) bool {
	var e *types.ResourceNotFoundException
	return errors.As(err, &e)
}

// hopeless reports whether a retry cannot help at the start: somebody has to change something first.
func hopeless(err error) bool {
	switch code(err) {
	case "AccessDeniedException", "ResourceNotFoundException", "InvalidArgumentException", "ValidationException",
		"UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature", "InvalidClientTokenId",
		"MissingAuthenticationTokenException", "SubscriptionRequiredException", "OptInRequired", "SignatureDoesNotMatch":
		return true
	}
	var noEndpoint interface{ IsMissingRegion() bool }
	return errors.As(err, &noEndpoint)
}

// advise adds what a person can do about an error.
func (c *Config) advise(what string, err error) error {
	advice := ""
	switch code(err) {
	case "ResourceNotFoundException":
		advice = fmt.Sprintf("; is there a stream %q in region %q of this account?", c.Stream, c.AWS.Region)
	case "AccessDeniedException":
		advice = "; a policy may be missing: the role needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream, with a " +
			"customer key also kms:Decrypt, with fan-out also RegisterStreamConsumer, DescribeStreamConsumer and SubscribeToShard"
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "ExpiredTokenException",
		"SignatureDoesNotMatch", "MissingAuthenticationTokenException":
		advice = fmt.Sprintf("; the credentials may not be valid in region %q, or this machine's clock may be wrong", c.AWS.Region)
	case "ProvisionedThroughputExceededException", "LimitExceededException":
		advice = "; other readers may use up the stream's limits: fewer of them, more shards, or Options.FanOut"
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired":
		advice = "; the stream's key may not be usable: the role needs kms:Decrypt on it, and the key must be enabled"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		advice = fmt.Sprintf("; is the endpoint of region %q reachable from here?", c.AWS.Region)
	}
	return fmt.Errorf("kinesis: %s of stream %s: %w%s", what, c.Stream, err, advice)
}
