package sinktest_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/sink/sinktest/example"
)

// client makes the right store, for mistakes to be planted.
func client(at sinktest.Place) *example.Store {
	timeout := cmp.Or(at.Timeout, 20*time.Second)
	return &example.Store{
		URL: at.Server + "/" + at.Name, Token: "canary-token", Timeout: timeout, Page: page,
		Client: &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: timeout}},
	}
}

// served makes one store, on a real server.
func served(store func(*example.Store) sink.Store) func() sinktest.Config {
	return servedBy(nil, store)
}

// servedBy has another server.
func servedBy(wrap func(http.Handler) http.Handler, store func(*example.Store) sink.Store) func() sinktest.Config {
	return func() sinktest.Config {
		return sinktest.Config{
			Setup: func(t *testing.T) sinktest.Place {
				var h http.Handler = example.NewServer("bucket", "canary-token")
				if wrap != nil {
					h = wrap(h)
				}
				s := httptest.NewServer(h)
				t.Cleanup(s.Close)
				return sinktest.Place{Server: s.URL, Name: "bucket"}
			},
			Open:     func(_ *testing.T, at sinktest.Place) (sink.Store, error) { return store(client(at)), nil },
			Page:     page,
			Patience: 5 * time.Second,
		}
	}
}

// hidden is a server that the suite does not know of, as one that does not speak HTTP.
func hidden(store func(*example.Store) sink.Store) func() sinktest.Config {
	return func() sinktest.Config {
		c := served(store)()
		setup := c.Setup
		c.Setup = func(t *testing.T) sinktest.Place {
			at := setup(t)
			return sinktest.Place{Name: at.Server + "/" + at.Name}
		}
		c.Open = func(_ *testing.T, at sinktest.Place) (sink.Store, error) {
			s := client(at)
			s.URL = at.Name
			return store(s), nil
		}
		return c
	}
}

// tripper is what lies between a store and the network.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sending changes the requests of a store.
func sending(s *example.Store, change func(*http.Request)) *example.Store {
	next := s.Client.Transport
	s.Client = &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		change(r)
		return next.RoundTrip(r)
	})}
	return s
}

// hearing changes the answers that a store gets.
func hearing(s *example.Store, change func(*http.Response)) *example.Store {
	next := s.Client.Transport
	s.Client = &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(r)
		if err == nil {
			change(res)
		}
		return res, err
	})}
	return s
}

// answered takes one status for another.
func answered(from, to int, reason string) func(*example.Store) sink.Store {
	return func(s *example.Store) sink.Store {
		return hearing(s, func(res *http.Response) {
			if res.StatusCode == from {
				res.StatusCode = to
				res.Header.Set("Reason", reason)
			}
		})
	}
}

func withoutCondition(s *example.Store) *example.Store {
	c := *s
	return sending(&c, func(r *http.Request) { r.Header.Del("If-None-Match") })
}

// unchecked is a server that believes whatever arrives.
func unchecked(only func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && only(r) {
				believe(r)
			}
			h.ServeHTTP(w, r)
		})
	}
}

var brokenOnServer = map[string]broken{
	"server: publish without a condition": {"PublishNeverOverwrites", "", served(func(s *example.Store) sink.Store {
		return sending(s, func(r *http.Request) {
			if r.Method == http.MethodPost {
				r.Header.Del("If-None-Match")
			}
		})
	})},
	"server: publish looks, then renames": {"RetriesKeepTheCondition", "", served(func(s *example.Store) sink.Store { return publishLooks{s, withoutCondition(s)} })},
	"server: create looks, then puts":     {"RetriesKeepTheCondition", "", served(func(s *example.Store) sink.Store { return createLooks{s, withoutCondition(s)} })},
	"server: create insists":              {"RetriesKeepTheCondition", "", served(func(s *example.Store) sink.Store { return createInsists{s, withoutCondition(s)} })},
	"server: publish insists":             {"RetriesKeepTheCondition", "", served(func(s *example.Store) sink.Store { return publishInsists{s, withoutCondition(s)} })},

	"server: staged in memory":           {"StagingOutlivesItsProcess", "", served(func(s *example.Store) sink.Store { return &stagedInMemory{Store: s} })},
	"server: staged later":               {"StagingOutlivesItsProcess", "", served(func(s *example.Store) sink.Store { return &stagedLater{Store: s} })},
	"server: staged by this process":     {"StagedListsOpenAndClosed", "", served(func(s *example.Store) sink.Store { return &stagedHere{Store: s} })},
	"server: a name in staging per key":  {"UploadsOfOneKeyAreTwo", "", served(func(s *example.Store) sink.Store { return sending(s, nameByKey) })},
	"server: streams are loaded":         {"OpenReadsAStream", "in memory", served(func(s *example.Store) sink.Store { return loadsObjects{s} })},
	"server: gathers, and says 0":        {"GatheredIsWhatIsInMemory", "Gathered", served(func(s *example.Store) sink.Store { return gathersNothing{s} })},
	"server: gathers, and says nothing":  {"GatheredIsWhatIsInMemory", "Gathered", served(func(s *example.Store) sink.Store { return gathersSilently{s} })},
	"server: publish in two steps":       {"NothingHalfIsSeen", "", served(func(s *example.Store) sink.Store { return publishGrows{s, withoutCondition(s)} })},
	"server: create in two steps":        {"NothingHalfIsSeen", "", served(func(s *example.Store) sink.Store { return createInSteps{s, withoutCondition(s)} })},
	"server: discard publishes":          {"NothingHalfIsSeen", "", served(func(s *example.Store) sink.Store { return discardPublishes{s} })},
	"server: abort publishes":            {"NothingHalfIsSeen", "", served(func(s *example.Store) sink.Store { return abortPublishes{s} })},
	"server: publish does not look":      {"LostRepliesAreSettled", "", served(func(s *example.Store) sink.Store { return publishDoesNotLook{s} })},
	"server: half an object is one":      {"LostRepliesAreSettled", "", served(func(s *example.Store) sink.Store { return readsHalf{s} })},
	"server: half a listing is one":      {"LostRepliesAreSettled", "", served(func(s *example.Store) sink.Store { return listsHalf{s} })},
	"server: no sums":                    {"FlippedBitsAreNoticed", "", servedBy(unchecked(func(*http.Request) bool { return true }), right)},
	"server: no sums of staged files":    {"FlippedBitsAreNoticed", "", servedBy(unchecked(isStaging), right)},
	"server: no sums of created objects": {"FlippedBitsAreNoticed", "", servedBy(unchecked(isData), right)},

	"server: a missing bucket is empty":  {"MissingStorageIsNoEmptyOne", "", served(answered(http.StatusNotFound, http.StatusNotFound, "NoSuchObject"))},
	"server: a missing bucket lists":     {"MissingStorageIsNoEmptyOne", "", served(func(s *example.Store) sink.Store { return listIgnoresErrors{s} })},
	"server: 409 is exists":              {"AnswersAreNotGuessed", "Create", served(answered(http.StatusConflict, http.StatusPreconditionFailed, "Exists"))},
	"server: 403 is not there":           {"AnswersAreNotGuessed", "Read", served(answered(http.StatusForbidden, http.StatusNotFound, "NoSuchObject"))},
	"server: 403 may pass":               {"AnswersAreNotGuessed", "403", served(answered(http.StatusForbidden, http.StatusInternalServerError, ""))},
	"server: 401 may pass":               {"AnswersAreNotGuessed", "401", served(answered(http.StatusUnauthorized, http.StatusBadRequest, ""))},
	"server: 503 is final":               {"AnswersAreNotGuessed", "503", served(answered(http.StatusServiceUnavailable, http.StatusForbidden, ""))},
	"server: 429 is final":               {"AnswersAreNotGuessed", "429", served(answered(http.StatusTooManyRequests, http.StatusForbidden, ""))},
	"server: 412 is not there":           {"AnswersAreNotGuessed", "412", served(answered(http.StatusPreconditionFailed, http.StatusNotFound, "NoSuchObject"))},
	"server: 500 is yes":                 {"AnswersAreNotGuessed", "500", served(answered(http.StatusInternalServerError, http.StatusCreated, ""))},
	"server: every error of read":        {"AnswersAreNotGuessed", "Read", served(func(s *example.Store) sink.Store { return readIsNotThere{s} })},
	"server: every error of publish":     {"AnswersAreNotGuessed", "Publish", served(func(s *example.Store) sink.Store { return publishIsLost{s} })},
	"server: list ignores errors":        {"AnswersAreNotGuessed", "List", served(func(s *example.Store) sink.Store { return listIgnoresErrors{s} })},
	"server: staged ignores errors":      {"AnswersAreNotGuessed", "Staged", served(func(s *example.Store) sink.Store { return stagedIgnoresErrors{s} })},
	"server: discard ignores errors":     {"AnswersAreNotGuessed", "Discard", served(func(s *example.Store) sink.Store { return discardIgnoresErrors{s} })},
	"server: abort ignores errors":       {"AnswersAreNotGuessed", "Abort", served(func(s *example.Store) sink.Store { return abortIgnoresErrors{s} })},
	"server: broken by a failure":        {"AnswersAreNotGuessed", "made again", served(func(s *example.Store) sink.Store { return &brokenByFailure{Store: s} })},
	"server: errors have the token":      {"AnswersAreNotGuessed", "secret", served(func(s *example.Store) sink.Store { return tellsToken{s} })},
	"server: errors have the signed URL": {"LostRepliesAreSettled", "secret", served(func(s *example.Store) sink.Store { return tellsURL{s} })},

	"server: no time-outs":              {"SilenceEnds", "Create(", served(func(s *example.Store) sink.Store { return waiting(s) })},
	"server: no time-out of bodies":     {"SilenceEnds", "Read(", served(func(s *example.Store) sink.Store { s.Timeout = time.Hour; return s })},
	"server: no time-out in List":       {"SilenceEnds", "List(", served(func(s *example.Store) sink.Store { return listIsPatient{s, waiting(s)} })},
	"server: no time-out in Close":      {"SilenceEnds", ", Close", served(func(s *example.Store) sink.Store { return closeIsPatient{s, waiting(s)} })},
	"server: context is not passed on":  {"EndedContextEndsRequests", "", served(func(s *example.Store) sink.Store { return ignoresEnd{s} })},
	"server: context's end is not said": {"EndedContextEndsRequests", "", served(func(s *example.Store) sink.Store { return hidesEnd{s} })},

	"server: the machine's clock":                {"NowIsTheServersClock", "", served(func(s *example.Store) sink.Store { return machineClock{s} })},
	"server: the machine's clock if it fails":    {"NowIsTheServersClock", "", served(func(s *example.Store) sink.Store { return machineClockThen{s} })},
	"server: the machine's clock if it is close": {"NowIsTheServersClock", "", served(func(s *example.Store) sink.Store { return machineClockNear{s} })},
	"hidden server: the machine's clock":         {"NowIsTheStoragesClock", "Config.Local", hidden(func(s *example.Store) sink.Store { return machineClock{s} })},
	"server: the clock of the first answer":      {"NowIsAClock", "", served(func(s *example.Store) sink.Store { return &firstClock{Store: s} })},
}

func right(s *example.Store) sink.Store { return s }
