package gcs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
)

// refuseDeletions answers as the service does where a policy or a hold keeps objects: a deletion and a move, which is one of
// its source, are refused. The codes and reasons are those of its reference.
func refuseDeletions(reason string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete && !strings.Contains(r.URL.Path, "/moveTo/") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error": {"code": 403, "message": "Object is kept", "errors": [{"domain": "global", "reason": %q, "message": "Object is kept"}]}}`, reason)
		return true
	}
}

// A retention policy and a hold were once told as missing credentials, among others. Nothing is lost by them: once they are
// gone the file is published.
func TestRetentionPoliciesAndHoldsAreToldAsSuch(t *testing.T) {
	for reason, want := range map[string]string{"retentionPolicyNotMet": "a retention policy keeps", "objectUnderActiveHold": "a hold keeps", "forbidden": "credentials"} {
		x := &rules{}
		s := open(t, x)
		ref := stage(t, s, "own-1-1", []byte("rows"))
		x.set(refuseDeletions(reason))
		var discarded error
		for st, err := range s.Staged(t.Context()) {
			discarded = errors.Join(err, s.Discard(t.Context(), st))
		}
		for op, err := range map[string]error{"publish": s.Publish(t.Context(), ref), "discard": discarded} {
			if !errors.Is(err, driver.ErrPermanent) || errors.Is(err, driver.ErrStagingLost) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %s: %v, want ErrPermanent and a word about %q", reason, op, err, want)
			}
		}
		x.set(func(http.ResponseWriter, *http.Request) bool { return false })
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish, once it is gone: %v", reason, err)
		}
	}
}
