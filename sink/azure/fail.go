package azure

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

// passing reports whether the same request may succeed later. It is a closed list: what it does not know is final.
func passing(err error) bool {
	switch code(err) {
	case "ServerBusy", "InternalError", "OperationTimedOut", "PendingCopyOperation", "AccountBeingCreated",
		// The body has changed on its way; the last is Azurite's.
		"Md5Mismatch", "InvalidMd5", "InvalidOperation":
		return true
	}
	switch status := status(err); {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500 && status != http.StatusNotImplemented:
		return true
	case status >= 300:
		return false
	}
	return retry.Network(err)
}

func code(err error) string {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return answer.ErrorCode
	}
	return ""
}

func status(err error) int {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// notFound says that a blob is not there. That a copy's source cannot be read says something else.
func notFound(err error) bool {
	switch code(err) {
	case "ContainerNotFound", "CannotVerifyCopySource":
		return false
	}
	return status(err) == http.StatusNotFound
}

// exists says that a condition of ours failed, that the blob must not be there.
func exists(err error) bool {
	switch code(err) {
	case "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet":
		return true
	}
	return false
}

// hints are what an answer of the service may mean. They are for a person to decide, so a retry does not help.
var hints = []struct{ codes, hint string }{
	{"ContainerNotFound ContainerDisabled ContainerBeingDeleted", "the container may not exist, or be about to be deleted"},
	{"AuthenticationFailed InvalidAuthenticationInfo NoAuthenticationInformation KeyBasedAuthenticationNotPermitted",
		"the key or token may be wrong, the signature over, this machine's clock far off, or keys forbidden in this account"},
	{"AuthorizationFailure AuthorizationPermissionMismatch AuthorizationProtocolMismatch AuthorizationSourceIPMismatch " +
		"AuthorizationServiceMismatch AuthorizationResourceTypeMismatch InsufficientAccountPermissions PublicAccessNotPermitted AccountIsDisabled",
		"the role, the signature's permissions or its time, or the account's network rules may not allow it; what is needed is in the package comment"},
	{"CannotVerifyCopySource", "the service reads the staged file to copy it, which the credentials or the account's network rules may not allow"},
	{"BlobImmutableDueToPolicy BlobImmutableDueToLegalHold ContainerImmutabilityPolicyNotMet", "an immutability policy or a legal hold forbids it; " +
		"staged files must be deleted once they are published, so the container must have neither"},
	{"LeaseIdMissing LeaseAlreadyPresent", "somebody holds a lease on the blob, and has to release or break it"},
	{"BlobArchived BlobBeingRehydrated", "the blob was moved to the archive tier, and has to be brought back"},
}

// fail says what was done, then what the service answered, in its own words, then what that may mean. It keeps no error of
// the client, since these may have a signature in a URL.
func (b *box) fail(doing, key string, err error) error {
	text := "azure: cannot " + doing
	if key != "" {
		text += fmt.Sprintf(" %q in", key)
	}
	text += " container " + b.name + ": " + b.said(err)
	f := &failure{text: text}
	for _, h := range hints {
		if c := code(err); c != "" && strings.Contains(" "+h.codes+" ", " "+c+" ") {
			return &failure{text: text + " (" + h.hint + ")", is: []error{driver.ErrPermanent}}
		}
	}
	switch {
	case status(err) == http.StatusForbidden, status(err) == http.StatusUnauthorized:
		f.is = append(f.is, driver.ErrPermanent)
	case notFound(err):
		f.is = append(f.is, fs.ErrNotExist)
	}
	for _, kind := range []error{driver.ErrStagingLost, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			f.is = append(f.is, kind)
		}
	}
	return f
}

// failure is what the service said, and what it matches.
type failure struct {
	text string
	is   []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.is }

// said is an error without secrets. Of an answer it is the status, the code, the message and the request's ID.
func (b *box) said(err error) string {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.RawResponse == nil {
		return b.access.hide(err.Error())
	}
	var body struct{ Message, AuthenticationErrorDetail string }
	if text, readErr := runtime.Payload(answer.RawResponse); readErr == nil {
		_ = xml.Unmarshal(text, &body) // an answer to HEAD has none
	}
	message, _, _ := strings.Cut(body.Message, "\n")
	// The detail says when a signature was valid; for keys it repeats what was signed, which helps nobody.
	if d := body.AuthenticationErrorDetail; strings.HasPrefix(d, "Signature not valid in the specified time frame") {
		message += " " + d
	}
	text := fmt.Sprintf("%d %s", answer.StatusCode, answer.ErrorCode)
	if message = strings.TrimSpace(message); message != "" {
		text += ": " + message
	}
	if id := answer.RawResponse.Header.Get("x-ms-request-id"); id != "" {
		text += " [request " + id + "]"
	}
	return b.access.hide(text)
}
