package dynamodb_test

import (
	"strings"
	"testing"

	"github.com/onceflow/onceflow/dedup/dynamodb"
)

// A nil client was once a nil dereference within the SDK.
func TestANilClientIsToldInASentence(t *testing.T) {
	_, open := dynamodb.Open(t.Context(), nil, "ids", "job", nil)
	for name, err := range map[string]error{"Open": open, "Create": dynamodb.Create(t.Context(), nil, "ids")} {
		if err == nil || !strings.Contains(err.Error(), "a client is required") {
			t.Errorf("%s: %v, want a sentence about the client", name, err)
		}
	}
}
