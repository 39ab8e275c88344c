package delivery

import (
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/manifest"
)

// The rows of a merged flow are in no file of a transaction, so its delivery would have lost them without a word.
func TestTransactionsOfMergedFlowsAreRefused(t *testing.T) {
	m := &manifest.Transaction{Entry: 3, Packs: []manifest.Pack{{Flow: "clicks"}}}
	for _, flows := range [][]string{nil, {"clicks"}} {
		s := &source{opts: &Options{Flows: flows}}
		if err := s.merged(m); err == nil || !strings.Contains(err.Error(), "clicks") || !strings.Contains(err.Error(), "Hourly") {
			t.Errorf("flows %q: %v, want an error that names the flow and what to do", flows, err)
		}
	}
	s := &source{opts: &Options{Flows: []string{"views"}}}
	if err := s.merged(m); err != nil {
		t.Errorf("another flow is delivered: %v", err)
	}
}
