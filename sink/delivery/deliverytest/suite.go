package deliverytest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/delivery"
)

// Config says what Run tests.
type Config struct {
	// Setup makes an empty storage for the rows of one rule, such as a table. It is called for each rule, and ends it with t
	// if it cannot.
	Setup func(t *testing.T) Storage

	// Refuses says that the storage refuses rows whose Note has more than 100 characters, and that the Target then refuses their
	// unit. Without it the rules about what is refused are not tried.
	Refuses bool

	// Decoded says that the Target takes its rows from delivery.Rows or Unit.Unpack, so that it may be used with
	// delivery.Options.Decoded. Without it the rule about packs is not tried.
	Decoded bool
}

// Storage is where the rows of a rule go.
type Storage struct {
	// Open opens a Target as a process does that has just begun. It gets the rows of Flow, which are JSON lines of Row.
	Open func() (delivery.Target, error)

	// Rows returns the IDs of the rows that everybody sees, read without the Target; a row that is there twice has its ID twice.
	Rows func() ([]int64, error)
}

// Run tests a Target: that it keeps the contract of delivery.Target and, if it is one, of delivery.Keeper. Each rule is a subtest,
// whose comment says what is asked.
func Run(t *testing.T, c Config) {
	for _, rule := range contracts {
		if rule.refuses && !c.Refuses || rule.decoded && !c.Decoded {
			continue
		}
		t.Run(rule.name, func(t *testing.T) {
			s := &suite{T: t, config: c, storage: c.Setup(t), job: NewJob(t, nil)}
			if _, ok := s.open().(delivery.Keeper); rule.keeper && !ok {
				t.Skip("only for a delivery.Keeper")
			}
			rule.test(s)
		})
	}
	if !c.Decoded {
		t.Log("no Config.Decoded: what a Target makes of rows in packs was not tried")
	}
	if !c.Refuses {
		t.Log("no Config.Refuses: what a Target makes of rows that it refuses was not tried")
	}
}

// contracts are the rules, each with its test.
var contracts = []struct {
	name                     string
	test                     func(*suite)
	keeper, refuses, decoded bool // only for a Keeper; only if there are rows that are refused; only if rows are decoded
}{
	{"LoadShowsAllRows", loadShowsAllRows, false, false, false},
	{"PacksAreLoaded", packsAreLoaded, false, false, true},
	{"LoadTwiceIsOnce", loadTwiceIsOnce, false, false, false},
	{"LoadByManyIsOnce", loadByManyIsOnce, false, false, false},
	{"EndedContextIsSettled", endedContextIsSettled, false, false, false},
	{"RefusedLeavesNothing", refusedLeavesNothing, false, true, false},
	{"RefusedAgainLeavesNothing", refusedAgainLeavesNothing, false, true, false},
	{"StateIsKept", stateIsKept, true, false, false},
	{"StatesAreApart", statesAreApart, true, false, false},
	{"LoadIsFenced", loadIsFenced, true, false, false},
	{"EmptyUnitMovesTheCursor", emptyUnitMovesTheCursor, true, false, false},
	{"RefusedLeavesTheCursor", refusedLeavesTheCursor, true, true, false},
	{"ParkMovesTheCursor", parkMovesTheCursor, true, false, false},
	{"ParkIsFenced", parkIsFenced, true, false, false},
	{"TakenUpIsOnce", takenUpIsOnce, true, false, false},
	{"TakenUpByManyIsOnce", takenUpByManyIsOnce, true, false, false},
	{"ParkedAgainKeepsTheReason", parkedAgainKeepsTheReason, true, false, false},
	{"AFaultAtEachCallLeavesEachRowOnce", aFaultAtEachCallLeavesEachRowOnce, false, false, false},
	{"ManyProcessesLeaveEachRowOnce", manyProcessesLeaveEachRowOnce, false, false, false},
}

// suite is what the test of a rule works with.
type suite struct {
	*testing.T
	config  Config
	storage Storage
	job     *Job
}

// open opens a Target as another process.
func (s *suite) open() delivery.Target {
	s.Helper()
	target, err := s.storage.Open()
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	return target
}

func (s *suite) keeper() delivery.Keeper {
	s.Helper()
	return s.open().(delivery.Keeper)
}

// units commits rows as transactions of n, and returns their units for a delivery of a name.
func (s *suite) units(name string, rows []Row, n int) []*delivery.Unit {
	s.Helper()
	for part := range slices.Chunk(rows, n) {
		s.job.Commit(part...)
	}
	return s.deliver(name)
}

// deliver returns the units of all that was committed.
func (s *suite) deliver(name string) []*delivery.Unit {
	s.Helper()
	c := &catcher{}
	d, err := delivery.Open(Context(s.Context()), s.job.Store, Name, name, c, &delivery.Options{Poll: -1, Logger: quiet, Decoded: s.config.Decoded})
	if err != nil {
		s.Fatal(err)
	}
	if err := d.Run(Context(s.Context())); err != nil {
		s.Fatal(err)
	}
	return c.units
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// catcher is a Keeper that keeps units, and a cursor in memory.
type catcher struct {
	units []*delivery.Unit
	s     delivery.State
}

func (c *catcher) State(context.Context, string) (delivery.State, error) { return c.s, nil }
func (c *catcher) Park(context.Context, *delivery.Unit, string) error    { return nil }
func (c *catcher) Load(_ context.Context, u *delivery.Unit) (delivery.Result, error) {
	c.units, c.s.Cursor = append(c.units, u), u.Cursor
	return delivery.Result{}, nil
}

// load loads a unit that must be loaded now.
func (s *suite) load(target delivery.Target, u *delivery.Unit) {
	s.Helper()
	res, err := target.Load(s.Context(), u)
	if err != nil {
		s.Fatalf("Load(%s): %v", u.ID, err)
	}
	if res.Rows != u.Rows() || res.Rejected != 0 {
		s.Errorf("Load(%s): got %d rows and %d rejected, want %d and 0", u.ID, res.Rows, res.Rejected, u.Rows())
	}
}

// again loads a unit that is there already.
func (s *suite) again(target delivery.Target, u *delivery.Unit) {
	s.Helper()
	_, err := target.Load(s.Context(), u)
	if _, keeps := target.(delivery.Keeper); keeps {
		if !errors.Is(err, delivery.ErrFenced) {
			s.Errorf("Load(%s) of a unit that is loaded: got %v, want ErrFenced, since the cursor is not what it builds on", u.ID, err)
		}
	} else if err != nil {
		s.Errorf("Load(%s) of a unit that is loaded: got %v, want success", u.ID, err)
	}
}

// want checks which rows are there.
func (s *suite) want(ids ...int64) {
	s.Helper()
	got, err := s.storage.Rows()
	if err != nil {
		s.Fatalf("Rows: %v", err)
	}
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		s.Errorf("the rows %d are there, want %d", got, ids)
	}
}

func (s *suite) state(k delivery.Keeper, name string) delivery.State {
	s.Helper()
	state, err := k.State(s.Context(), name)
	if err != nil {
		s.Fatalf("State(%s): %v", name, err)
	}
	return state
}

// wantState checks what another process sees.
func (s *suite) wantState(name string, cursor delivery.Cursor, parked ...string) {
	s.Helper()
	state := s.state(s.keeper(), name)
	var ids []string
	for _, p := range state.Parked {
		ids = append(ids, p.Unit)
	}
	if !state.Cursor.Equal(cursor) || !slices.Equal(ids, parked) {
		s.Errorf("State(%s): the cursor is %q and %q are parked, want %q and %q", name, state.Cursor, ids, cursor, parked)
	}
}

// ids are the IDs of rows.
func ids(first, last int64) (all []int64) {
	for id := first; id <= last; id++ {
		all = append(all, id)
	}
	return all
}

// bad is a row that is refused.
func bad(id int64) Row { return Row{ID: id, Note: strings.Repeat("x", 101), At: Noon} }

// takenUp is a copy of a unit for an attempt to take it up.
func takenUp(u *delivery.Unit, attempt int) *delivery.Unit {
	again := *u
	again.Attempt = attempt
	return &again
}
