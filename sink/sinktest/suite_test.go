package sinktest_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return m, nil }, Page: page})
}

// A Faulty without faults changes nothing.
func TestFaultyConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return sinktest.NewFaulty(m, nil), nil }, Page: page})
}

// A store whose server speaks something else has no clock but the server's all the same. Rules that need what a Config does not
// have are named, which once only -v did, and without the rules.
func TestConformanceBehindAServerThatTheSuiteDoesNotKnow(t *testing.T) {
	c := hidden(right)()
	c.Patience = 0 // a busy machine once took longer than is right for stores that hang
	sinktest.Run(t, c)
}

func TestHooksTestWhatTheyReach(t *testing.T) {
	c := hooked(func(m *sinktest.Memory) sink.Store { return m })()
	c.Patience = 0
	c.Put = nil // Overwrite takes names that are no keys, and Memory lists them
	sinktest.Run(t, c)
}

// suiteOf runs the suite in a process of its own and returns what it says without -v.
func suiteOf(t *testing.T, test, store string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), "SINKTEST_BROKEN="+store)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // it may be meant to fail
	return out.String()
}

func TestRunNamesTheRulesThatItHasNotTried(t *testing.T) {
	out := suiteOf(t, "TestConformance", "")
	for _, want := range []string{"without Config.Setup", "StagingOutlivesItsProcess", "without Place.Server", "SilenceEnds", "NowIsTheServersClock", "without Config.Put"} {
		if !strings.Contains(out, want) {
			t.Errorf("the suite does not say %q:\n%s", want, out)
		}
	}
	if out := suiteOf(t, "TestConformanceBehindAServerThatTheSuiteDoesNotKnow", ""); strings.Contains(out, "StagingOutlivesItsProcess") {
		t.Errorf("the suite says of a rule that it was not tried, and it was:\n%s", out)
	}
}

// A store whose Create always failed once filled 400 lines with one error, lists of 20 keys, and the first 40 bytes of a MiB.
func TestFailuresAreToldOnceAndShort(t *testing.T) {
	out := suiteOf(t, "TestSuiteFindsBrokenStores", "all creates fail")
	if n := strings.Count(out, "wants to read it twice"); n < 1 || n > 5 {
		t.Errorf("one error is told %d times:\n%s", n, out)
	}
	if n := strings.Count(out, "\n"); n > 150 {
		t.Errorf("one error has %d lines:\n%s", n, out)
	}
	for store, want := range map[string]string{
		"list one page": `missing: ["conformance/`, "list from after on": `not wanted: ["`, "list by folders": "in another order or more than once: from number",
		"write retains": "differ from number 1 on",
	} {
		if out := suiteOf(t, "TestSuiteFindsBrokenStores", store); !strings.Contains(out, want) {
			t.Errorf("%s: the suite does not say %q:\n%s", store, want, out)
		}
	}
}
