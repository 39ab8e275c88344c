package record

import (
	"fmt"
	"runtime"
	"strings"
)

// Recover turns a panic of f into an error. With it around an argument of Decode or Map, a record that makes f panic goes
// to the dead-letter flow with the place of the panic, and the job goes on. Without it the panic ends the process, and does
// so again at every start as long as the record is in the log.
//
// Only these two need it. A panic of any other function that is called for one record or event, such as Decode's at, a
// condition, a key or an encoder, always makes a dead letter.
//
// Use it where input from outside can break f, such as in a parser. It must not guard a function that changes state which
// it shares with other calls: a panic can leave that state half changed, and it would silently spoil later records. It
// guards neither goroutines that f starts nor what the runtime cannot recover from, such as too deep a recursion.
func Recover[In, Out any](f func(*In) (Out, error)) func(*In) (Out, error) {
	if f == nil {
		return nil // which Run refuses; else each record would be a dead letter
	}
	return func(in *In) (out Out, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = Caught(v)
			}
		}()
		return f(in)
	}
}

// Caught makes Recover's error from recovered, which recover() returned to the deferred function that calls Caught. It is
// for stages and outputs that call users' functions which cannot return an error.
func Caught(recovered any) *PanicError { return &PanicError{Value: recovered, Trace: trace()} }

// PanicError says what a function panicked with, and where. It unwraps to Value if that is an error.
type PanicError struct {
	Value any
	Trace []string // "function file:line", from the place of the panic outwards, at most 8
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("stream: panic: %v\n\t%s", e.Value, strings.Join(e.Trace, "\n\t"))
}

// Unwrap is Value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// trace begins behind the machinery of the panic, so it does not matter who calls it.
func trace() (lines []string) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicked := false
	for len(lines) < 8 {
		f, more := frames.Next()
		// A panic of the runtime, such as an index out of range, begins with frames of its own.
		if panicked && f.Function != "" && (len(lines) > 0 || !strings.HasPrefix(f.Function, "runtime.")) {
			lines = append(lines, fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line))
		}
		panicked = panicked || f.Function == "runtime.gopanic" || f.Function == "runtime.sigpanic"
		if !more {
			break
		}
	}
	return lines
}
