package dynamic

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// open makes a Scaler that logs nothing.
func open(t *testing.T, target scaler.Target, p scaler.Policy, o scaler.Options) *scaler.Scaler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := scaler.New(target, p, &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// target is the job as something that can be resized.
func target(j *fakeJob) scaler.Target {
	return scaler.TargetFunc(func(context.Context) (scaler.Size, error) { return j.size, nil }, func(_ context.Context, c scaler.Change) error {
		j.set(c.To)
		return nil
	})
}

// wants is a policy with a fixed answer.
type wants struct{ size scaler.Size }

func (p *wants) Want(scaler.Input) scaler.Want {
	return scaler.Want{Policy: "test", Size: p.size, Why: "it wants that"}
}

// damaged is a memory with something else in it.
type damaged string

func (m damaged) Load(context.Context) ([]byte, error) { return bytes.Clone([]byte(m)), nil }
func (m damaged) Save(context.Context, []byte) error   { return nil }

func TestCoresComeFromTheFloor(t *testing.T) {
	p := scaler.NewCombined(&wants{scaler.Size{Copies: 4, Cores: 2}}, dynamic(t, &Options{Rate: 500}))
	j := newFake(4, 5300)
	j.size.Cores, j.rate = 1, 500
	j.run(t, p, 30*time.Minute)
	if want := (scaler.Size{Copies: 8, Cores: 2}); j.size != want { // 5300 / (2 * 500) / 0.7 = 7.6
		t.Errorf("size %s, want %s", j.size, want)
	}
}

func TestAManualChangeIsRespectedForAWhile(t *testing.T) {
	j := newFake(8, 5300)
	d := dynamic(t, nil)
	j.run(t, d, time.Hour)
	j.last = scaler.Change{At: j.now, From: j.size, To: size(20), Outside: true}
	j.set(size(20))
	changes := j.run(t, d, time.Hour)
	if len(changes) != 1 || changes[0].At.Sub(j.last.At) > 0 && changes[0].To.Copies > 9 {
		t.Fatalf("changes %v, want one back to what is needed", changes)
	}
	if after := changes[0].At.Sub(j.started.Add(time.Hour)); after < 10*time.Minute {
		t.Errorf("undone after %s, want at least the stable time", after)
	}
}

func TestCombinedKeepsTheMemoryOfItsParts(t *testing.T) {
	make := func() *scaler.Combined { return scaler.NewCombined(&wants{size(3)}, dynamic(t, nil)) }
	j, p := newFake(8, 5300), make()
	j.run(t, p, time.Hour)
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again := make()
	if err := again.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	in := scaler.Input{Now: j.now.Add(j.every), Current: j.size, Sample: j.step(), Last: j.last}
	if got, want := again.Want(in), p.Want(in); got.Why != want.Why || strings.Contains(got.Why, "not") || !slices.EqualFunc(got.Parts, want.Parts, func(a, b scaler.Want) bool { return a.Why == b.Why }) {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := scaler.FileMemory(filepath.Join(t.TempDir(), "memory.json"))
		j := newFake(4, 5600)
		j.now = time.Now()
		var d scaler.Decision
		for range 40 { // each step by a new process, as cron does
			sample := j.step()
			<-time.After(j.every)
			s := open(t, target(j), dynamic(t, nil), scaler.Options{
				Memory: memory, Signals: []scaler.Signal{scaler.SignalFunc(func(context.Context) (scaler.Sample, error) { return sample, nil })},
				Now: func() time.Time { return j.now },
			})
			var err error
			if d, err = s.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if j.size.Copies < 8 || j.size.Copies > 9 || j.lag > 0 {
			t.Errorf("size %s, lag %g after 20 minutes, want 8 or 9 copies and none; last: %s", j.size, j.lag, d)
		}
	})
}

// A clock that was set back by two hours held the scaler for two hours: the step before lay in the future, and all that was
// measured counted as the last minutes.
func TestAClockThatIsSetBackHoldsNothing(t *testing.T) {
	for _, back := range []time.Duration{2 * time.Hour, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			memory := scaler.FileMemory(filepath.Join(t.TempDir(), "memory.json"))
			j := newFake(4, 5600)
			j.now = time.Now().Add(back)
			j.started = j.now
			j.arrival = func(t time.Duration) float64 {
				if t > 15*time.Minute {
					return 11200
				}
				return 5600
			}
			var d scaler.Decision
			for i := range 60 { // half an hour
				sample := j.step()
				<-time.After(j.every)
				now := j.now
				if i >= 20 { // it has stepped up, and the clock is right again
					now = now.Add(-back)
				}
				for _, v := range values(&sample) {
					if v.Known() {
						v.At = now
					}
				}
				s := open(t, target(j), dynamic(t, nil), scaler.Options{
					Memory: memory, Signals: []scaler.Signal{scaler.SignalFunc(func(context.Context) (scaler.Sample, error) { return sample, nil })},
					Now: func() time.Time { return now },
				})
				var err error
				if d, err = s.Once(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if j.size.Copies < 15 {
				t.Errorf("%v: size %s, lag %g, want 15 copies or more: the load has doubled ten minutes ago; last: %s", back, j.size, j.lag, d)
			}
		})
	}
}

func TestADamagedMemoryStartsAnew(t *testing.T) {
	for _, b := range []string{"", "{", `{"policy":7}`, `{"policy":{"seen":3}}`, `{"policy":{"correction":{"seen":3}}}`} {
		j := newFake(4, 0)
		p := scaler.NewCombined(&wants{size(8)}, dynamic(t, nil))
		if d, err := open(t, target(j), p, scaler.Options{Memory: damaged(b)}).Once(t.Context()); err != nil || d.Action != scaler.Changed {
			t.Errorf("memory %q: %s (%v), want a change", b, d, err)
		}
	}
}
