package sink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// ruled is a Store that deletes by rules.
type ruled struct {
	*sinktest.Memory
	rule storage.Deletion
}

func (r ruled) Traits() storage.Traits { return storage.Traits{Deletes: []storage.Deletion{r.rule}} }

// An expiry rule on a bucket once took a ledger's beginning, and the job began anew in its old folder.
func TestRulesThatTakeWhatAJobNeedsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		rule storage.Deletion
		want string
	}{
		"all, after years":               {storage.Deletion{After: 3650 * 24 * time.Hour}, "the ledger of this job"},
		"our prefix":                     {storage.Deletion{Prefix: "out/"}, "the ledger of this job"},
		"part of our prefix":             {storage.Deletion{Prefix: "o"}, "the ledger of this job"},
		"the ledgers":                    {storage.Deletion{Prefix: "out/_onceflow/"}, "the ledger of this job"},
		"snapshots":                      {storage.Deletion{Prefix: "out/_onceflow/job/e0001/snapshots/"}, "the ledger of this job"},
		"whose the flows are":            {storage.Deletion{Prefix: "out/_onceflow/."}, "say whose a flow is"},
		"another job's ledger":           {storage.Deletion{Prefix: "out/_onceflow/other/"}, ""},
		"another folder":                 {storage.Deletion{Prefix: "tmp/", Early: true}, ""},
		"a flow, late enough":            {storage.Deletion{Prefix: "out/rows/"}, ""},
		"a flow, early":                  {storage.Deletion{Prefix: "out/rows/", Early: true}, "in out/rows/"},
		"days of a flow, early":          {storage.Deletion{Prefix: "out/rows/day=2025-", Early: true}, "in out/rows/"},
		"late rows of a flow, early":     {storage.Deletion{Prefix: "out/late/", Early: true}, "in out/late/rows/"},
		"dead letters, early":            {storage.Deletion{Prefix: "out/dead/", Early: true}, "in out/dead/"},
		"a folder that is no flow's":     {storage.Deletion{Prefix: "out/rows2/", Early: true}, ""},
		"staging, late enough":           {storage.Deletion{Staging: true, After: 7 * 24 * time.Hour}, ""},
		"staging, early":                 {storage.Deletion{Staging: true, After: 7 * 24 * time.Hour, Early: true}, "deletes staged files after 168h"},
		"staging of a flow, early":       {storage.Deletion{Staging: true, Prefix: "out/rows/", Early: true}, "committed for out/rows/"},
		"staging of another, early":      {storage.Deletion{Staging: true, Prefix: "out/rows2/", Early: true}, ""},
		"a folder that begins as a flow": {storage.Deletion{Prefix: "out/row", Early: true}, "in out/rows/"},
	} {
		store, _ := memory(noon)
		c.rule.Rule = "rule x"
		_, err := tryOpen(t, ruled{store, c.rule}, nil, &sink.Options{Prefix: "out/"}, rowsFlow("rows"))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v, want no error", name, err)
			}
			continue
		}
		if !strings.Contains(errText(err), c.want) || !strings.Contains(errText(err), "rule x") {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
		if got := keys(t, store, ""); len(got) > 0 {
			t.Errorf("%s: it wrote %v", name, got)
		}
	}
}
