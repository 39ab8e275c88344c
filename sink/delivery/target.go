package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Target is where units go. It is safe for concurrent use, also by several processes on several machines, each with a Target
// of its own. deliverytest.Run checks one.
//
// # Who tries again
//
// The delivery does, without an end, with pauses that grow to a minute. So a Target need not, and must not hide an error. It
// bounds the time of each request itself, since nobody else knows how long a load may take. If ctx has ended the error
// matches ctx.Err(), and the call may have had its effect.
//
// # Errors
//
// An error of Load says what has become of the rows, and the delivery acts on no more than that:
//
//   - nil: all rows of the unit are there, by this call or an earlier one.
//   - ErrRefused: no row is there, and none comes to be there by this call. The target refuses these rows for good: whoever asks
//     again gets the same answer until a person changes something. A password that has expired is not that, nor a full disk, nor a
//     table that is missing, since the rows are not to blame.
//   - ErrFenced, of a Keeper only: nothing was changed, since another process has moved the cursor or has taken the unit up.
//   - Any other error: unknown. All rows are there or none, or come to be there later. The delivery calls Load again, with the same unit,
//     and that settles it. If the error matches fs.ErrPermission, a person has to do something, and the Status says so.
type Target interface {
	// Load makes all rows of a unit visible at once, or none; if the target cannot do that, such as a search index, each row of
	// it. A unit that was loaded before, by whomever, also at the same time, is loaded no second time, and that is no error. It is
	// known by its ID, and by Attempt where the target remembers what it has refused, too. The unit belongs to the caller, and
	// Load does not change it.
	Load(ctx context.Context, u *Unit) (Result, error)
}

// Keeper is a Target that keeps the State of a delivery, and changes it in the transaction that loads the rows. So it needs no
// memory of IDs.
//
// Load of a Keeper then fails with ErrFenced unless the cursor that it has is After of the unit, and moves it to Cursor of the
// unit. A unit without files and packs only moves it. If Attempt is not 0 the unit was parked and is taken up: then the cursor stays as it is;
// Load takes the unit out of Parked in the same transaction, and fails with ErrFenced if it is not there.
type Keeper interface {
	Target

	// State returns what is kept for a delivery. It is zero before the first Load or Park. It sees all that has returned.
	State(ctx context.Context, delivery string) (State, error)

	// Park moves the cursor to that of a unit, as Load does and fenced as there, and notes the unit with the reason instead of
	// loading it. If Attempt is not 0 the unit is noted already: then Park notes Attempt and the new reason, and fails with
	// ErrFenced if the unit is not there. After an error that is not ErrFenced it may have had its effect.
	Park(ctx context.Context, u *Unit, reason string) error
}

// ErrRefused says that a target refuses the rows of a unit for good. Refuse makes such an error.
var ErrRefused = errors.New("delivery: the target refuses the rows")

// ErrFenced says that another process has gone on with the delivery. The one that gets it reads the state anew; no row is lost.
var ErrFenced = errors.New("delivery: another process has gone on")

// Refuse makes an error that matches ErrRefused and says why.
func Refuse(why error) error { return refusal{why} }

type refusal struct{ why error }

func (r refusal) Error() string        { return fmt.Sprintf("refused: %v", r.why) }
func (r refusal) Unwrap() error        { return r.why }
func (r refusal) Is(target error) bool { return target == ErrRefused }

// Result is what became of the rows of a unit.
type Result struct {
	Rows     int64 // that were loaded, or have been before
	Rejected int64 // that the target has put aside, each with a reason; they do not count in Rows
}

// State is how far a delivery has got.
type State struct {
	Cursor Cursor   `json:"cursor"`
	Parked []Parked `json:"parked,omitempty"` // in the order in which they were parked
}

// Parked is a unit that the target has refused. It waits for Delivery.TakeUp.
type Parked struct {
	Unit     string    `json:"unit"`               // its ID
	Cursor   Cursor    `json:"cursor"`             // of the unit, by which its files are found again
	Reason   string    `json:"reason"`             // what the target said last
	At       time.Time `json:"at"`                 // when it was parked, by the clock of who did it
	Attempts int       `json:"attempts,omitempty"` // how often it was taken up

	// Open says that an attempt may be under way, or has crashed. The next one has the same number, so a target that knows IDs
	// and attempts does not load the unit twice.
	Open bool `json:"open,omitempty"`
}

// parked is the index of a unit in s.Parked; -1 if it is not there.
func (s *State) parked(id string) int {
	for i := range s.Parked {
		if s.Parked[i].Unit == id {
			return i
		}
	}
	return -1
}

// Func is a Target of one function. It is called again for a unit of which it returned an error, and after a crash also for
// units of which it returned nil; so rows are loaded once only if what it does for an ID a second time changes nothing.
func Func(load func(ctx context.Context, u *Unit) error) Target { return function(load) }

type function func(ctx context.Context, u *Unit) error

func (f function) Load(ctx context.Context, u *Unit) (Result, error) {
	if err := f(ctx, u); err != nil {
		return Result{}, err
	}
	return Result{Rows: u.Rows()}, nil
}
