package several_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/several"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var t0 = time.Date(2024, 3, 1, 6, 0, 0, 0, time.UTC)

// filled is a log with 25 records in each partition.
func filled(lanes ...int) *streamtest.Log {
	log := streamtest.NewLog(lanes...)
	for i := range 25 {
		for lane, parts := range lanes {
			for p := range parts {
				log.Append(lane, p, t0.Add(time.Duration(i)*time.Second), fmt.Sprintf("%d.%d/%d", lane, p, i))
			}
		}
	}
	return log
}

func made(t *testing.T, members map[string]driver.Source) *several.Source {
	t.Helper()
	s, err := several.New(members)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeveralSourcesKeepToTheContractOfOne(t *testing.T) {
	t.Run("endless", func(t *testing.T) {
		streamtest.RunSource(t, func(t *testing.T) driver.Source {
			return made(t, map[string]driver.Source{"": filled(1, 2).Source(nil), "us": filled(3).Source(nil), "eu": filled(1).Source(nil)})
		})
	})
	t.Run("one has ended", func(t *testing.T) {
		streamtest.RunSource(t, func(t *testing.T) driver.Source {
			over := filled(2)
			over.EndAll()
			return made(t, map[string]driver.Source{"us": over.Source(nil), "eu": filled(1).Source(nil)})
		})
	})
	t.Run("all have ended", func(t *testing.T) {
		streamtest.RunSource(t, func(t *testing.T) driver.Source {
			one, two := filled(2), filled(1)
			one.EndAll()
			two.EndAll()
			return made(t, map[string]driver.Source{"us": one.Source(nil), "eu": two.Source(nil)})
		})
	})
}

// lone is a source whose parts can be replaced.
type lone struct {
	driver.Source
	info   driver.SourceInfo
	poll   func(context.Context) (*driver.Batch, error)
	list   func() ([]record.Partition, error)
	atEnd  func(map[record.Partition]record.Position) ([]record.Partition, error)
	health driver.Health
	pauses []string
	closed bool
}

func (l *lone) Info() driver.SourceInfo                                { return l.info }
func (l *lone) Poll(ctx context.Context) (*driver.Batch, error)        { return l.poll(ctx) }
func (l *lone) Start(context.Context, driver.Start) error              { return nil }
func (l *lone) Pause(lane string, on bool)                             { l.pauses = append(l.pauses, fmt.Sprint(lane, on)) }
func (l *lone) Health() driver.Health                                  { return l.health }
func (l *lone) Partitions(context.Context) ([]record.Partition, error) { return l.list() }
func (l *lone) AtEnd(_ context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	return l.atEnd(at)
}

func (l *lone) Close() error {
	l.closed = true
	return nil
}

func silent(ctx context.Context) (*driver.Batch, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

var clicks = record.Partition{Source: "clicks", ID: "0"}

// A source that did not answer could have partitions that nobody knows: without them an hour would close too early.
func TestOneThatCannotBeListedMakesTheWholeListUnknown(t *testing.T) {
	away := errors.New("no route to host")
	here := &lone{list: func() ([]record.Partition, error) { return []record.Partition{clicks}, nil }}
	gone := &lone{list: func() ([]record.Partition, error) { return nil, away }}
	s := made(t, map[string]driver.Source{"eu": here, "us": gone})
	if list, err := s.Partitions(t.Context()); list != nil || !errors.Is(err, away) || !strings.Contains(err.Error(), `source "us"`) {
		t.Errorf("got %v, %v; want no list, and an error that names us", list, err)
	}
	gone.list = here.list
	list, err := s.Partitions(t.Context())
	slices.SortFunc(list, record.Partition.Compare)
	want := []record.Partition{{Source: "eu=clicks", ID: "0"}, {Source: "us=clicks", ID: "0"}}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("got %v, %v; want %v", list, err, want)
	}
}

func TestOneThatIsAwayDoesNotHideWhatTheOthersProve(t *testing.T) {
	away := errors.New("no route to host")
	var asked map[record.Partition]record.Position
	here := &lone{atEnd: func(at map[record.Partition]record.Position) ([]record.Partition, error) {
		asked = at
		return []record.Partition{clicks}, nil
	}}
	gone := &lone{atEnd: func(map[record.Partition]record.Position) ([]record.Partition, error) { return nil, away }}
	s := made(t, map[string]driver.Source{"eu": here, "us": gone})
	eu, us := clicks, clicks
	eu.Source, us.Source = "eu=clicks", "us=clicks"
	at := map[record.Partition]record.Position{eu: {Sub: 4}, us: {Sub: 7}}
	proved, err := s.AtEnd(t.Context(), at)
	if !slices.Equal(proved, []record.Partition{eu}) || !errors.Is(err, away) {
		t.Errorf("got %v, %v; want the proof of eu and the error of us", proved, err)
	}
	if len(asked) != 1 || asked[clicks].Sub != 4 {
		t.Errorf("eu was asked for %v, want its own partition at 4", asked)
	}
}

func TestOneThatIsSilentDoesNotHoldTheOthersUp(t *testing.T) {
	n := 0
	here := &lone{poll: func(context.Context) (*driver.Batch, error) {
		if n++; n > 100 {
			return nil, io.EOF
		}
		return &driver.Batch{Lane: "0", Records: []record.Record{{Partition: &clicks, Position: record.Position{Sub: int64(n)}}}}, nil
	}}
	gone := &lone{poll: silent}
	s := made(t, map[string]driver.Source{"eu": here, "us": gone})
	defer s.Close()
	for i := range 100 {
		b, err := s.Poll(t.Context())
		if err != nil || b.Lane != "eu=0" || *b.Records[0].Partition != (record.Partition{Source: "eu=clicks", ID: "0"}) || b.Records[0].Position.Sub != int64(i+1) {
			t.Fatalf("batch %d is %+v, %v", i, b, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := s.Poll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v; want nothing, since us has not ended", b, err)
	}
}

func TestEachSourceHasItsTurn(t *testing.T) {
	endless := func(context.Context) (*driver.Batch, error) {
		return &driver.Batch{Lane: "0", Records: []record.Record{{Partition: &clicks}}}, nil
	}
	s := made(t, map[string]driver.Source{"eu": &lone{poll: endless}, "us": &lone{poll: endless}})
	defer s.Close()
	seen := map[string]int{}
	for seen["eu=0"] < 50 || seen["us=0"] < 50 { // without turns it would never end
		b, err := s.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[b.Lane]++
	}
}

// The batch that a member has delivered already and the one more that it may deliver would be two.
func TestAPausedLaneDeliversOneMoreBatchAndTheOthersGoOn(t *testing.T) {
	give := make(chan string, 10)
	m := &lone{poll: func(ctx context.Context) (*driver.Batch, error) {
		select {
		case lane := <-give:
			return &driver.Batch{Lane: lane, Records: []record.Record{{Partition: &clicks}}}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	s := made(t, map[string]driver.Source{"eu": m})
	defer s.Close()
	next := func(want string) {
		t.Helper()
		b, err := s.Poll(t.Context())
		if err != nil || b.Lane != want {
			t.Fatalf("got %+v, %v; want one of %s", b, err, want)
		}
	}
	s.Pause("eu=a", true)
	for _, lane := range []string{"a", "a", "b", "b"} {
		give <- lane
	}
	next("eu=a")
	next("eu=b")
	next("eu=b")
	s.Pause("eu=a", false)
	next("eu=a")
	if want := []string{"atrue", "afalse"}; !slices.Equal(m.pauses, want) {
		t.Errorf("the member was told %v, want %v", m.pauses, want)
	}
}

func TestErrorsNameTheirSource(t *testing.T) {
	broken := errors.New("no more")
	m := &lone{poll: func(context.Context) (*driver.Batch, error) { return nil, broken }}
	s := made(t, map[string]driver.Source{"eu": m, "us": &lone{poll: silent}})
	if _, err := s.Poll(t.Context()); !errors.Is(err, broken) || !strings.Contains(err.Error(), `source "eu"`) {
		t.Errorf("got %v, want the error of eu", err)
	}
	if err := s.Close(); err != nil || !m.closed {
		t.Errorf("closed: %v, %v", m.closed, err)
	}
}

func TestHealthSumsUpAndNamesWhoIsStalled(t *testing.T) {
	eu := &lone{health: driver.Health{Lag: driver.Lag{Records: 3, Retention: time.Hour}}}
	us := &lone{health: driver.Health{Lag: driver.Lag{Records: 4}, Stalled: errors.New("no broker answers")}}
	s := made(t, map[string]driver.Source{"eu": eu, "us": us})
	if h := s.Health(); h.Lag.Records != 7 || h.Lag.Retention != time.Hour || h.Stalled == nil || !strings.Contains(h.Stalled.Error(), `source "us": no broker answers`) {
		t.Errorf("health is %+v", h)
	}
	us.health.Lag.Records = -1
	if h := s.Health(); h.Lag.Records != -1 {
		t.Errorf("lag is %d, want unknown, since that of us is", h.Lag.Records)
	}
}

func TestInfoSaysWhatTheMembersAre(t *testing.T) {
	kafka := &lone{info: driver.SourceInfo{ID: "kafka:x", Topics: []string{"clicks"}, FromZero: true, Keys: driver.KeysByCount, Compacted: []string{"clicks"}}}
	files := &lone{info: driver.SourceInfo{ID: "file", Topics: []string{"logs"}, Folders: []string{"/in"}}}
	s := made(t, map[string]driver.Source{"": files, "us": kafka})
	i := s.Info()
	if i.ID != "file" || !slices.Equal(i.Topics, []string{"logs", "us=clicks"}) || !slices.Equal(i.Compacted, []string{"us=clicks"}) ||
		i.Keys != driver.KeysAnywhere || !slices.Equal(i.Folders, []string{"/in"}) || !slices.Equal(i.Named(), []string{"us=kafka:x"}) {
		t.Errorf("info is %+v, named %v", i, i.Named())
	}
	if at := i.Print(record.Partition{Source: "us=x/clicks", ID: "0"}, record.Position{Sub: 42}); at != "41" {
		t.Errorf("an offset prints as %s, want 41", at)
	}
	if at := i.Print(record.Partition{Source: "logs", ID: "a"}, record.Position{Sub: 42}); at != "42" {
		t.Errorf("a line prints as %s, want 42", at)
	}
}

func TestSourcesThatCannotBeToldApartAreRefused(t *testing.T) {
	ok := &lone{info: driver.SourceInfo{ID: "file", Topics: []string{"logs"}}}
	for what, members := range map[string]map[string]driver.Source{
		"at least one source": {},
		"lower-case":          {"US": ok},
		"it is nil":           {"us": nil},
		"made of several":     {"us": made(t, map[string]driver.Source{"eu": ok})},
		"equals sign":         {"": &lone{info: driver.SourceInfo{Topics: []string{"us=logs"}}}},
		"driver.Follower":     {"us": &lone{info: driver.SourceInfo{Follows: true}}},
	} {
		if _, err := several.New(members); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want a word about %q", err, what)
		}
	}
}

// fed is a source that delivers what a test gives it, whether a lane is paused or not.
func fed(give chan *driver.Batch) *lone {
	return &lone{poll: func(ctx context.Context) (*driver.Batch, error) {
		select {
		case b := <-give:
			return b, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// A batch that waited for a paused lane was once overtaken by a newer one after a pause, a go and another pause: it was then taken for
// read.
func TestWhatAPausedLaneDeliveredIsNotOvertaken(t *testing.T) {
	give := make(chan *driver.Batch, 10)
	s := made(t, map[string]driver.Source{"eu": fed(give)})
	defer s.Close()
	next := func(want int64) {
		t.Helper()
		b, err := s.Poll(t.Context())
		if err != nil || len(b.Records) != 1 || b.Records[0].Position.Sub != want {
			t.Fatalf("got %+v, %v; want record %d", b, err, want)
		}
	}
	put := func(lane string, n int64) {
		give <- &driver.Batch{Lane: lane, Records: []record.Record{{Partition: &clicks, Position: record.Position{Sub: n}}}}
	}
	s.Pause("eu=a", true)
	put("a", 1)
	put("a", 2)
	put("b", 101)
	next(1)
	next(101) // by now 2 waits
	s.Pause("eu=a", false)
	s.Pause("eu=a", true)
	put("a", 3)
	put("b", 102)
	next(102)
	s.Pause("eu=a", false)
	next(2)
	next(3)
}

// A revocation that a member had told of, and the engine had not heard yet, once made Start fail, so that an outage of the output
// ended the job.
func TestALaneWhoseRevocationIsInHandIsNotStarted(t *testing.T) {
	give := make(chan *driver.Batch, 10)
	m := fed(give)
	starts := 0
	s := made(t, map[string]driver.Source{"eu": &counted{m, &starts}})
	defer s.Close()
	give <- &driver.Batch{Assigned: []driver.Assignment{{Lane: "a", Partitions: []record.Partition{clicks}}}}
	if b, err := s.Poll(t.Context()); err != nil || len(b.Assigned) != 1 {
		t.Fatalf("got %+v, %v; want the assignment", b, err)
	}
	if err := s.Start(t.Context(), driver.Start{Lane: "eu=a"}); err != nil || starts != 1 {
		t.Fatalf("%d starts, %v", starts, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.Poll(ctx) // begins a Poll of the member
	give <- &driver.Batch{Revoked: []string{"a"}}
	for len(give) > 0 { // the member has it
		runtime.Gosched()
	}
	if err := s.Start(t.Context(), driver.Start{Lane: "eu=a"}); err != nil || starts != 1 {
		t.Errorf("%d starts, %v; want none of a lane that is gone", starts-1, err)
	}
	if b, err := s.Poll(t.Context()); err != nil || !slices.Equal(b.Revoked, []string{"eu=a"}) {
		t.Errorf("got %+v, %v; want the revocation", b, err)
	}
}

// counted counts the calls of Start.
type counted struct {
	*lone
	starts *int
}

func (c *counted) Start(context.Context, driver.Start) error {
	*c.starts++
	return nil
}

// A merge has to look at the time, or at an answer, while no member delivers.
func TestANudgeEndsAPollWithoutABatch(t *testing.T) {
	give := make(chan *driver.Batch, 1)
	s := made(t, map[string]driver.Source{"eu": fed(give)})
	defer s.Close()
	s.Nudge()
	if b, err := s.Poll(t.Context()); b != nil || err != nil {
		t.Errorf("got %+v, %v; want nothing", b, err)
	}
	go s.Nudge()
	if b, err := s.Poll(t.Context()); b != nil || err != nil {
		t.Errorf("got %+v, %v; want nothing", b, err)
	}
	give <- &driver.Batch{Lane: "a", Records: []record.Record{{Partition: &clicks}}}
	if b, err := s.Poll(t.Context()); err != nil || b.Lane != "eu=a" {
		t.Errorf("got %+v, %v; want the batch", b, err)
	}
}
