//go:build unix

package torture

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two workers get a tenth of a processor and less, in slices: one is always late with its heartbeats, the other is away for
// longer than its session again and again. They take each other's lanes while both go on, and nothing is lost or there twice.
func TestStarvedWorkersLoseAndDoubleNothing(t *testing.T) {
	z := newZombieTest(t, "starved", shared.Kafka(t), shared.MinIO(t))
	checker := buildChecker(t)
	z.produce(5, openHour())
	first := z.start("")
	first.wait("commits 1")
	second := z.start("")
	z.produce(1, openHour())
	z.allThere()

	feed := []func(){first.starve(30*time.Millisecond, 300*time.Millisecond), second.starve(100*time.Millisecond, 3*zombieSession/2)}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for range 80 {
		z.produce(3, openHour())
		<-pace.C
	}
	for _, f := range feed {
		f()
	}
	z.produce(1, openHour())
	z.allThere()
	first.end()
	second.end()
	z.wantOnce()
	if out, err := z.verify(checker); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	joins := strings.Count(first.log.String(), "joined the group") + strings.Count(second.log.String(), "joined the group")
	t.Logf("%d sessions", joins)
	if joins < 6 {
		t.Errorf("%d sessions in the group: nobody was late", joins)
	}
}

// starve lets the worker run for slices of run, with pauses in between, until the result is called.
func (w *zombie) starve(run, pause time.Duration) (feed func()) {
	stop, over := make(chan struct{}), make(chan struct{})
	wait := func(d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return true
		case <-stop:
			return false
		}
	}
	go func() {
		defer close(over)
		for on := true; on; {
			_ = w.cmd.Process.Signal(syscall.SIGSTOP)
			on = wait(pause)
			_ = w.cmd.Process.Signal(syscall.SIGCONT)
			on = on && wait(run)
		}
	}()
	return func() { close(stop); <-over }
}
