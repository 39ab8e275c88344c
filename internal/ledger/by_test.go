package ledger

import (
	"strings"
	"testing"
)

func TestAuthorsAreKeptAndBounded(t *testing.T) {
	for by, fits := range map[string]bool{"": true, "etl-0": true, strings.Repeat("é", 64): true, strings.Repeat("é", 65): false, "\xff": false} {
		o := &Owner{By: by, Lanes: []OwnerLane{{Lane: "a", Token: token(1), Index: 3}}}
		body, err := o.Encode()
		if (err == nil) != fits {
			t.Errorf("%q: got %v, want that it fits: %v", by, err, fits)
		}
		if err != nil {
			continue
		}
		if got, err := DecodeOwner(body); err != nil || got.By != by {
			t.Errorf("%q came back as %+v, %v", by, got, err)
		}
	}
}
