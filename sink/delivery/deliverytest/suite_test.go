package deliverytest_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
)

func TestATargetThatKnowsNamesConforms(t *testing.T) {
	deliverytest.Run(t, deliverytest.Config{Setup: storage("", false), Refuses: true, Decoded: true})
}

func TestAKeeperConforms(t *testing.T) {
	deliverytest.Run(t, deliverytest.Config{Setup: storage("", true), Refuses: true, Decoded: true})
}

// broken are mistakes, and the rule whose test must find each.
var broken = []struct {
	bug, contract string
	keeps         bool
}{
	{"loses the last row", "LoadShowsAllRows", false},
	{"reads files alone", "PacksAreLoaded", false},
	{"forgets names", "LoadTwiceIsOnce", false},
	{"fails for what it knows", "LoadTwiceIsOnce", false},
	{"looks, then loads", "LoadByManyIsOnce", false},
	{"hides the end of ctx", "EndedContextIsSettled", false},
	{"loads up to the bad row", "RefusedLeavesNothing", false},
	{"takes what it should refuse for a failure", "RefusedAgainLeavesNothing", false},
	{"forgets names", "AFaultAtEachCallLeavesEachRowOnce", false},
	{"forgets names", "ManyProcessesLeaveEachRowOnce", false},

	{"has one state", "StatesAreApart", true},
	{"does not compare the cursor", "LoadIsFenced", true},
	{"does not compare the cursor", "LoadTwiceIsOnce", true},
	{"does not compare the cursor", "ParkIsFenced", true},
	{"loads before it compares", "LoadByManyIsOnce", true},
	{"loads before it compares", "AFaultAtEachCallLeavesEachRowOnce", true},
	{"leaves empty units out", "EmptyUnitMovesTheCursor", true},
	{"moves the cursor over what it refuses", "RefusedLeavesTheCursor", true},
	{"parks without a cursor", "ParkMovesTheCursor", true},
	{"forgets what is parked", "ParkMovesTheCursor", true},
	{"takes up what is not parked", "TakenUpIsOnce", true},
	{"moves the cursor back when it takes up", "TakenUpIsOnce", true},
	{"keeps it parked", "TakenUpByManyIsOnce", true},
	{"keeps the first reason", "ParkedAgainKeepsTheReason", true},
}

// Each mistake runs in a process of its own, whose failure is what is wanted.
func TestSuiteFindsBrokenTargets(t *testing.T) {
	for _, b := range broken {
		name := b.bug + ", " + b.contract
		if only := os.Getenv("DELIVERYTEST_BROKEN"); only != "" {
			if only == name {
				deliverytest.Run(t, deliverytest.Config{Setup: storage(b.bug, b.keeps), Refuses: true, Decoded: true})
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFindsBrokenTargets$/^"+b.contract+"$")
			cmd.Env = append(os.Environ(), "DELIVERYTEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if want := "--- FAIL: TestSuiteFindsBrokenTargets/" + b.contract; !errors.As(err, &exit) || !bytes.Contains(out, []byte(want)) ||
				bytes.Contains(out, []byte("panic:")) {
				t.Errorf("got %v, want a failure of %s, of:\n%s", err, b.contract, out)
			}
		})
	}
}
