package stream_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestAComposedStageBearsTheMarksOfItsParts(t *testing.T) {
	plain := stage.Stage[text, text](passing)
	claims, holds := stage.Stage[text, text](first{passing}), stage.Stage[text, text](pairing{})
	for _, test := range []struct {
		a, b          stage.Stage[text, text]
		claims, holds bool
	}{{plain, plain, false, false}, {plain, claims, true, false}, {holds, plain, false, true}, {claims, holds, true, true}} {
		c := stage.TraitsOf(stream.Compose(test.a, test.b))
		if c.ClaimsFirst != test.claims || c.Holds != test.holds {
			t.Errorf("%+v, want claims %v and holds %v", c, test.claims, test.holds)
		}
	}
}

func shout(e *text) (text, error) { return text{e.at, e.word + "!"}, nil }

func TestAComposedStageDoesWhatItsPartsDo(t *testing.T) {
	both := stream.Compose(stage.Stage[text, text](pairing{time.Minute}), stream.Map(shout))
	l := streamtest.Open(t, both)
	l.Feed(t0, text{t0, "a1"})
	l.Feed(t0, text{t0, "b1"})
	l.Crash()
	if got := l.Feed(t0, text{t0, "a2"}); len(got) != 1 || got[0].word != "a1+a2!" {
		t.Errorf("got %v, want a1+a2!", got)
	}
	if got := l.Advance(t0.Add(time.Hour)); len(got) != 1 || got[0].word != "b1!" {
		t.Errorf("got %v, want b1!", got)
	}
}

func TestAComposedStageRunsInAPipeAsItsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a1", "06:01 a2", "06:02 b1")
		log.EndAll()
		both := stream.Compose(stage.Stage[text, text](pairing{forever}), stream.Map(shout))
		runToEnd(t, stream.Via(texts(log.Source(nil)), both), ledger.Output(), nil)
		wantWords(t, ledger, "a1+a2!", "b1!")
	})
}

// tape is a stage that writes down every call, under a name.
type tape struct {
	name string
	said *[]string
}

func (r tape) Open(*stage.Lane) (stage.Processor[int, int], error) { return r, nil }

func (r tape) say(what string) error {
	*r.said = append(*r.said, r.name+" "+what)
	return nil
}

func (r tape) Process(_ context.Context, in []record.Event[int], out *stage.Emitter[int]) error {
	for _, e := range in {
		out.Emit(e)
	}
	return r.say(fmt.Sprint("process ", len(in)))
}

func (r tape) Advance(_ context.Context, _ time.Time, _ *stage.Emitter[int]) error {
	return r.say("advance")
}
func (r tape) Pull(context.Context, *stage.Emitter[int]) error { return r.say("pull") }
func (r tape) Committed(context.Context, record.Clocks) error  { return r.say("committed") }
func (r tape) Close() error                                    { return r.say("close") }
func (r tape) Warmup() time.Duration                           { return time.Hour }

func (r tape) Warm(_ context.Context, in []record.Event[int], out *stage.Emitter[int]) error {
	for _, e := range in {
		out.Emit(e)
	}
	return r.say(fmt.Sprint("warm ", len(in)))
}

func TestAComposedStagePassesEveryCallOn(t *testing.T) {
	var said []string
	l := streamtest.Open(t, stream.Compose(stage.Stage[int, int](tape{"a", &said}), stage.Stage[int, int](tape{"b", &said})))
	l.Feed(t0, 1)
	l.Advance(t0)
	l.Pull()
	l.Committed(record.Clocks{})
	l.Crash()
	want := []string{
		"a process 1", "b process 1", "a advance", "b advance", "a pull", "b pull", "a advance", "b advance", "a committed", "b committed",
		"a close", "b close", "a warm 1", "b warm 1", "a advance", "b advance",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got  %v\nwant %v", said, want)
	}
}

// filling is full or not.
type filling struct{ full bool }

func (f filling) Open(*stage.Lane) (stage.Processor[int, int], error)                   { return f, nil }
func (filling) Process(context.Context, []record.Event[int], *stage.Emitter[int]) error { return nil }
func (f filling) Full() bool                                                            { return f.full }

func TestAComposedStageIsFullIfOneOfItsStagesIs(t *testing.T) {
	for _, full := range [][2]bool{{false, false}, {true, false}, {false, true}} {
		p, err := stream.Compose(stage.Stage[int, int](filling{full: full[0]}), stage.Stage[int, int](filling{full: full[1]})).Open(&stage.Lane{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(stage.Fuller).Full(); got != (full[0] || full[1]) {
			t.Errorf("stages that are full %v are full together: %v", full, got)
		}
	}
}

// noting writes down what it was asked.
type noting struct {
	filling
	name   string
	buried *[]string
}

func (n noting) Open(*stage.Lane) (stage.Processor[int, int], error) { return n, nil }
func (n noting) Notes() []record.Note                                { return []record.Note{{Name: n.name}} }
func (n noting) Buried(*record.Record)                               { *n.buried = append(*n.buried, n.name) }

// Two stages that were made one by hand, without a pipe, once wrote no notes.
func TestAComposedStageHasTheNotesOfItsStages(t *testing.T) {
	var buried []string
	a, b := noting{name: "a", buried: &buried}, noting{name: "b", buried: &buried}
	p, err := stream.Compose(stage.Stage[int, int](a), stage.Stage[int, int](b)).Open(&stage.Lane{})
	if err != nil {
		t.Fatal(err)
	}
	n := p.(stage.Noter)
	if notes := n.Notes(); len(notes) != 2 || notes[0].Name != "a" || notes[1].Name != "b" {
		t.Errorf("the notes are %+v, want those of a and b", notes)
	}
	if n.Buried(&record.Record{}); !slices.Equal(buried, []string{"a", "b"}) {
		t.Errorf("told of a dead letter were %v, want a and b", buried)
	}
}
