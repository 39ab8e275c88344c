package sinktest_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// page is the length of pages in these tests.
const page = 7

// broken is a store that breaks one contract, the test that must find it, and what that says, if it matters.
type broken struct {
	contract, says string
	config         func() sinktest.Config
}

// inMemory makes one store in memory.
func inMemory(store func(*sinktest.Memory) sink.Store) func() sinktest.Config {
	return func() sinktest.Config {
		s := store(sinktest.NewMemory())
		return sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return s, nil }, Page: page, Patience: 5 * time.Second}
	}
}

var brokenInMemory = map[string]broken{
	"create overwrites":                   {"CreateKeepsTheFirst", "", inMemory(func(m *sinktest.Memory) sink.Store { return createOverwrites{m} })},
	"create looks, then writes":           {"CreateIsExclusive", "", inMemory(func(m *sinktest.Memory) sink.Store { return &createRaces{Memory: m} })},
	"create grows":                        {"CreateIsWholeOrNotAtAll", "", inMemory(func(m *sinktest.Memory) sink.Store { return &createGrows{Memory: m, seen: make(chan struct{}, 1)} })},
	"create takes the same":               {"CreateKeepsTheFirst", "", inMemory(func(m *sinktest.Memory) sink.Store { return createTakesTheSame{m} })},
	"create takes any key":                {"BadKeysAreRefused", "", inMemory(func(m *sinktest.Memory) sink.Store { return createTakesAnyKey{m} })},
	"create ignores case":                 {"OddKeysAreKept", "", inMemory(func(m *sinktest.Memory) sink.Store { return createIgnoresCase{m} })},
	"create ignores ctx":                  {"EndedContextEndsCalls", "", inMemory(func(m *sinktest.Memory) sink.Store { return createIgnoresContext{m} })},
	"read shares its memory":              {"CreateDoesNotRetainBody", "", inMemory(func(m *sinktest.Memory) sink.Store { return &readShares{Memory: m} })},
	"read has no limit":                   {"ReadStopsAtLimit", "", inMemory(func(m *sinktest.Memory) sink.Store { return readHasNoLimit{m} })},
	"read of nothing is empty":            {"MissingIsErrNotExist", "", inMemory(func(m *sinktest.Memory) sink.Store { return readOfNothing{m} })},
	"open fails otherwise":                {"MissingIsErrNotExist", "", inMemory(func(m *sinktest.Memory) sink.Store { return openFailsOtherwise{m} })},
	"read range is off by one":            {"ReadRangeReadsAPart", "", inMemory(func(m *sinktest.Memory) sink.Store { return rangeIsOff{m} })},
	"read range is cut":                   {"ReadRangeReadsAPart", "", inMemory(func(m *sinktest.Memory) sink.Store { return rangeIsCut{m} })},
	"read range is all":                   {"ReadRangeReadsAPart", "", inMemory(func(m *sinktest.Memory) sink.Store { return rangeIsAll{m} })},
	"read range of nothing":               {"ReadRangeReadsAPart", "", inMemory(func(m *sinktest.Memory) sink.Store { return rangeOfNothing{m} })},
	"delete does nothing":                 {"DeleteDeletes", "", inMemory(func(m *sinktest.Memory) sink.Store { return deleteNothing{m} })},
	"delete of nothing fails":             {"DeleteDeletes", "", inMemory(func(m *sinktest.Memory) sink.Store { return deleteOfNothing{m} })},
	"delete takes a prefix":               {"DeleteDeletes", "", inMemory(func(m *sinktest.Memory) sink.Store { return deletePrefix{m} })},
	"delete takes what is staged":         {"DeleteDeletes", "", inMemory(func(m *sinktest.Memory) sink.Store { return deleteStaging{m} })},
	"list by folders":                     {"ListIsInByteOrder", "", inMemory(func(m *sinktest.Memory) sink.Store { return listByFolders{m} })},
	"list one page":                       {"ListHasManyPages", "", inMemory(func(m *sinktest.Memory) sink.Store { return listOnePage{m} })},
	"list from after on":                  {"ListIsInByteOrder", "", inMemory(func(m *sinktest.Memory) sink.Store { return listFromAfter{m} })},
	"list shows staging":                  {"StagingIsInvisible", "", inMemory(func(m *sinktest.Memory) sink.Store { return listShowsStaging{m} })},
	"list is behind":                      {"ReadSeesWhatReturned", "", inMemory(func(m *sinktest.Memory) sink.Store { return listIsBehind{m} })},
	"now is local":                        {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return nowIsLocal{m} })},
	"publish once":                        {"PublishIsIdempotent", "", inMemory(func(m *sinktest.Memory) sink.Store { return &publishOnce{Memory: m} })},
	"publish once, by many":               {"PublishByMany", "", inMemory(func(m *sinktest.Memory) sink.Store { return &publishOnce{Memory: m} })},
	"publish believes":                    {"PublishOfLostStaging", "", inMemory(func(m *sinktest.Memory) sink.Store { return publishBelieves{m} })},
	"publish overwrites":                  {"PublishNeverOverwrites", "", inMemory(func(m *sinktest.Memory) sink.Store { return publishOverwrites{m} })},
	"publish compares sizes":              {"PublishNeverOverwrites", "", inMemory(func(m *sinktest.Memory) sink.Store { return publishComparesSizes{m} })},
	"discard of the published":            {"DiscardSparesThePublished", "", inMemory(func(m *sinktest.Memory) sink.Store { return discardOfPublished{m} })},
	"discard does nothing":                {"DiscardEndsAnUpload", "", inMemory(func(m *sinktest.Memory) sink.Store { return discardNothing{m} })},
	"staged forgets owners":               {"StagedListsOpenAndClosed", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedForgetsOwners{m} })},
	"staged has one file":                 {"StagedListsOpenAndClosed", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedHasOne{m} })},
	"write retains":                       {"PublishShowsWhatWasWritten", "", inMemory(func(m *sinktest.Memory) sink.Store { return writeRetains{m} })},
	"write shares a buffer":               {"UploadsDoNotMix", "", inMemory(func(m *sinktest.Memory) sink.Store { return &writeShares{Memory: m} })},
	"abort does nothing":                  {"AbortLeavesNothing", "", inMemory(func(m *sinktest.Memory) sink.Store { return abortNothing{m} })},
	"create trims dots":                   {"OddKeysAreKept", "", inMemory(func(m *sinktest.Memory) sink.Store { return createTrimsDots{m} })},
	"list repeats between pages":          {"ListHasManyPages", "", inMemory(func(m *sinktest.Memory) sink.Store { return listRepeats{m} })},
	"list skips between pages":            {"ListHasManyPages", "", inMemory(func(m *sinktest.Memory) sink.Store { return listSkips{m} })},
	"list pages only from the beginning":  {"ListHasManyPages", "", inMemory(func(m *sinktest.Memory) sink.Store { return listPagesOnce{m} })},
	"list never ends":                     {"ListIsInByteOrder", "List(", inMemory(func(m *sinktest.Memory) sink.Store { return listHangs{m} })},
	"list has staging names":              {"ListShowsNoStaging", "", inMemory(func(m *sinktest.Memory) sink.Store { return listHasNames{m} })},
	"list has objects of the store's own": {"ListShowsNoStaging", "", inMemory(func(m *sinktest.Memory) sink.Store { return nowWrites{m} })},
	"now is ahead":                        {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return nowIsOff{m, 5 * time.Minute} })},
	"now is behind":                       {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return nowIsOff{m, -5 * time.Minute} })},
	"now is a day behind":                 {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return nowIsOff{m, -24 * time.Hour} })},
	"now stands still":                    {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return &nowStands{Memory: m} })},
	"now goes back":                       {"NowIsAClock", "", inMemory(func(m *sinktest.Memory) sink.Store { return &nowGoesBack{Memory: m} })},
	"publish hangs":                       {"PublishIsIdempotent", "Publish(", inMemory(func(m *sinktest.Memory) sink.Store { return publishHangs{m} })},
	"publish over what was there first":   {"PublishNeverOverwrites", "", inMemory(func(m *sinktest.Memory) sink.Store { return &publishOverFirst{Memory: m} })},
	"publish looks, then writes":          {"PublishRacesCreate", "", inMemory(func(m *sinktest.Memory) sink.Store { return publishRaces{m} })},
	"staged has one page":                 {"StagedHasManyPages", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedHasPage{m} })},
	"staged has one ID per key":           {"StagedListsOpenAndClosed", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedHasNoIDs{m} })},
	"discard shows the file":              {"DiscardShowsNothing", "", inMemory(func(m *sinktest.Memory) sink.Store { return &discardShows{shows{Memory: m}} })},
	"abort shows the file":                {"DiscardShowsNothing", "", inMemory(func(m *sinktest.Memory) sink.Store { return &abortShows{shows{Memory: m}} })},
	"abort deletes the published":         {"AbortSparesThePublished", "", inMemory(func(m *sinktest.Memory) sink.Store { return abortDeletes{m} })},
	"write up to the hint":                {"PublishShowsWhatWasWritten", "", inMemory(func(m *sinktest.Memory) sink.Store { return writesUpToHint{m} })},
	"write after close":                   {"UploadsEndOnce", "", inMemory(func(m *sinktest.Memory) sink.Store { return writeAfterClose{m} })},
	"close again":                         {"UploadsEndOnce", "", inMemory(func(m *sinktest.Memory) sink.Store { return closeAgain{m} })},
	"uploads of a key share parts":        {"UploadsOfOneKeyAreTwo", "", inMemory(func(m *sinktest.Memory) sink.Store { return &sharedParts{Memory: m} })},
	"discard by key":                      {"UploadsOfOneKeyAreTwo", "", inMemory(func(m *sinktest.Memory) sink.Store { return discardByKey{m} })},
	"deadline is a cancellation":          {"EndedContextEndsCalls", "", inMemory(func(m *sinktest.Memory) sink.Store { return deadlineIsCanceled{m} })},
	"all creates fail":                    {"CreateIsExclusive", "connection refused", inMemory(func(m *sinktest.Memory) sink.Store { return failing{m} })},
	"staged tells a wrong length":         {"StagedTellsTheLength", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedTellsParts{m} })},
	"staged tells more than was written":  {"StagedTellsTheLength", "", inMemory(func(m *sinktest.Memory) sink.Store { return stagedTellsOpen{m} })},
	"streams go on after close":           {"StreamsEndAtClose", "", inMemory(func(m *sinktest.Memory) sink.Store { return readsAfterClose{m} })},
	"closed streams look read":            {"StreamsEndAtClose", "", inMemory(func(m *sinktest.Memory) sink.Store { return closedIsEnd{m} })},
	"cut streams end":                     {"CutStreamsAreErrors", "differ from number 2097152 on", hooked(func(m *sinktest.Memory) sink.Store { return cutStreamsEnd{m} })},
	"list has names of others":            {"ForeignNamesDisturbNothing", "which is no key", hooked(func(m *sinktest.Memory) sink.Store { return m })},
	"list fails at names of others":       {"ForeignNamesDisturbNothing", "List(", hooked(func(m *sinktest.Memory) sink.Store { return listFailsAtNames{m} })},
	"discard hides the file":              {"DiscardLeavesNothing", "Discard of an open file", hooked(func(m *sinktest.Memory) sink.Store { return &discardHides{Memory: m} })},
	"abort hides the file":                {"DiscardLeavesNothing", "Abort of a closed file", hooked(func(m *sinktest.Memory) sink.Store { return &abortHides{discardHides{Memory: m}} })},
	"now differs by handle": {"NowIsAClock", "", func() sinktest.Config {
		m, off := sinktest.NewMemory(), 100*time.Second
		return sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) {
			off = -off
			return nowIsOff{m, off}, nil
		}}
	}},
}

// hooked makes a store in memory that its test can look behind, damage and put foreign objects into.
func hooked(store func(*sinktest.Memory) sink.Store) func() sinktest.Config {
	return func() sinktest.Config {
		m := sinktest.NewMemory()
		s := store(m)
		c := sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return s, nil }, Page: page, Patience: 5 * time.Second}
		c.Put = func(_ *testing.T, _ sinktest.Place, name string, body []byte) error {
			m.Overwrite(name, body)
			return nil
		}
		c.Cut = func(t *testing.T, _ sinktest.Place, key string) error {
			body, err := m.Read(t.Context(), key, 1<<30)
			m.Overwrite(key, body[:len(body)/2])
			return err
		}
		c.Bytes = func(t *testing.T, _ sinktest.Place) (n int64, err error) {
			for st := range m.Staged(t.Context()) {
				n += st.Bytes
			}
			return n, nil
		}
		return c
	}
}

// Each broken store is found out, by the test of the contract that it breaks. The suite runs in a process of its own,
// because there it must fail.
func TestSuiteFindsBrokenStores(t *testing.T) {
	all := maps.Clone(brokenInMemory)
	maps.Copy(all, brokenOnServer)
	if name := os.Getenv("SINKTEST_BROKEN"); name != "" {
		sinktest.Run(t, all[name].config())
		return
	}
	if got, want := len(all), len(brokenInMemory)+len(brokenOnServer); got != want || got < 46 {
		t.Errorf("%d stores, some with one name, want %d", got, want)
	}
	for name, b := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFindsBrokenStores$/^"+b.contract+"$")
			cmd.Env = append(os.Environ(), "SINKTEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if want := "--- FAIL: TestSuiteFindsBrokenStores/" + b.contract; !errors.As(err, &exit) || !bytes.Contains(out, []byte(want)) ||
				bytes.Contains(out, []byte("panic:")) || !bytes.Contains(out, []byte(b.says)) {
				t.Errorf("got %v, want a failure of %s that says %q, of:\n%s", err, b.contract, b.says, out)
			}
		})
	}
}
