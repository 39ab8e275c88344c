package dynamodb

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/smithy-go"

	"github.com/onceflow/onceflow/dedup"
)

var errNoClient = errors.New("a client is required, and it is nil")

// hopeless are errors that trying again does not mend.
var hopeless = []string{
	"ResourceNotFoundException", "AccessDeniedException", "ValidationException", "UnrecognizedClientException",
	"InvalidSignatureException", "MissingAuthenticationToken",
}

func classify(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(hopeless, api.ErrorCode()) {
		return fmt.Errorf("%w (%w)", err, dedup.ErrRefused)
	}
	return err
}
