package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Lost says what a shard has lost. It matches driver.ErrLost. Nothing was skipped: a person decides what to do.
type Lost struct {
	Partition record.Partition
	After     record.Position // the last record that was consumed; zero if none was
	Why       string          // what took the records, or may have
}

// Error names the shard and the position.
func (e *Lost) Error() string {
	if e.After.IsZero() {
		return fmt.Sprintf("kinesis: %v: records are gone: %s", e.Partition, e.Why)
	}
	return fmt.Sprintf("kinesis: %v: records after %v are gone: %s", e.Partition, e.After, e.Why)
}

// Is makes the error match driver.ErrLost.
func (e *Lost) Is(target error) bool { return target == driver.ErrLost }

// Throttled reports whether err means too many requests, by this reader or by others.
func Throttled(err error) bool {
	switch code(err) {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException",
		"Throttling", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown":
		return true
	}
	return false
}

// code is the service's name of an error; empty if the error is not the service's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Expired reports whether an iterator was too old.
func Expired(err error) bool {
	var e *types.ExpiredIteratorException
	return errors.As(err, &e)
}

// Missing reports whether the service has no such stream, shard or consumer.
func Missing(err error) bool {
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

// Advise adds what a person can do about an error.
func (s *Stream) Advise(what string, err error) error {
	advice := ""
	switch code(err) {
	case "ResourceNotFoundException":
		advice = fmt.Sprintf("; is there a stream %q in region %q of this account?", s.name, s.region)
	case "AccessDeniedException":
		advice = "; a policy may be missing: the role needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream, with a " +
			"customer key also kms:Decrypt, with fan-out also RegisterStreamConsumer, DescribeStreamConsumer and SubscribeToShard"
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "ExpiredTokenException",
		"SignatureDoesNotMatch", "MissingAuthenticationTokenException":
		advice = fmt.Sprintf("; the credentials may not be valid in region %q, or this machine's clock may be wrong", s.region)
	case "ProvisionedThroughputExceededException", "LimitExceededException":
		advice = "; other readers may use up the stream's limits: fewer of them, more shards, or Options.FanOut"
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired":
		advice = "; the stream's key may not be usable: the role needs kms:Decrypt on it, and the key must be enabled"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		advice = fmt.Sprintf("; is the endpoint of region %q reachable from here?", s.region)
	}
	return fmt.Errorf("kinesis: %s of stream %s: %w%s", what, s.name, err, advice)
}

// InUse reports whether err says that such a consumer or such a subscription exists already.
func InUse(err error) bool {
	var e *types.ResourceInUseException
	return errors.As(err, &e)
}
