package s3

import (
	"errors"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/onceflow/onceflow/internal/retry"
)

// passing reports whether the same request may succeed later. It is a closed list: what it does not know is final.
func passing(err error) bool {
	switch errorCode(err) {
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "InternalError", "KMS.ThrottlingException",
		"ServiceUnavailable", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted",
		"ConditionalRequestConflict", "ExpiredToken",
		// The body has changed on its way; the last is MinIO's.
		"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return true
	}
	switch status := httpStatus(err); {
	case status == http.StatusConflict, status == http.StatusTooManyRequests, status >= 500 && status != http.StatusNotImplemented:
		return true
	case status >= 300:
		return false
	}
	return retry.Network(err)
}

// skewed reports whether a request was refused by a service whose clock is far from ours. The client signs the next one by
// that clock. Amazon's limit is 15 minutes.
func skewed(err error) bool {
	var re *awshttp.ResponseError
	if httpStatus(err) != http.StatusForbidden || !errors.As(err, &re) {
		return false
	}
	theirs, dateErr := http.ParseTime(re.Response.Header.Get("Date"))
	return dateErr == nil && time.Since(theirs).Abs() > 10*time.Minute
}

func httpStatus(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) && re.ResponseError != nil && re.Response != nil {
		return re.HTTPStatusCode()
	}
	return 0
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func notFound(err error) bool {
	switch errorCode(err) {
	case "NoSuchKey", "NotFound", "NoSuchUpload":
		return true
	case "NoSuchBucket":
		return false
	}
	return httpStatus(err) == http.StatusNotFound
}

// exists goes by the status: the client gives the code also for a 200 whose body is an error, which is not known to have
// looked at the key.
func exists(err error) bool { return httpStatus(err) == http.StatusPreconditionFailed }

// refusal is what a store said, and what that may mean.
type refusal struct {
	at, hint string
	err      error
	sentinel error // what it matches beside err
}

func (a *refusal) Error() string {
	if a.hint == "" {
		return a.at + ": " + a.err.Error()
	}
	return a.at + ": " + a.err.Error() + " (" + a.hint + ")"
}

func (a *refusal) Unwrap() []error { return []error{a.err, a.sentinel} }
