package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/onceflow/onceflow/scaler"
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func candidate(t *testing.T, holder string, c *clock) *Lease {
	t.Helper()
	l, err := NewLease("default", "etl-scaler", &LeaseOptions{Config: cluster(t).Config("admin"), Holder: holder})
	if err != nil {
		t.Fatal(err)
	}
	l.now = c.now
	return l
}

func leases(t *testing.T) dynamic.ResourceInterface {
	return interfaceOf(t, as(t, "admin"), parse(t, "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: etl-scaler, namespace: default}}"))
}

func dropLease(t *testing.T) {
	t.Cleanup(func() { leases(t).Delete(context.Background(), "etl-scaler", metav1.DeleteOptions{}) })
}

func lead(t *testing.T, l *Lease) time.Time {
	t.Helper()
	until, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return until
}

func TestALeaseHasOneHolderUntilItEnds(t *testing.T) {
	dropLease(t)
	c := &clock{t: time.Now()}
	a, b := candidate(t, "a", c), candidate(t, "b", c)
	if got, want := lead(t, a), c.now().Add(2*time.Minute); !got.Equal(want) {
		t.Fatalf("a leads until %s, want %s", got, want)
	}
	if got := lead(t, b); !got.IsZero() {
		t.Fatalf("b leads until %s beside a", got)
	}
	c.add(90 * time.Second)
	if lead(t, a).IsZero() {
		t.Fatal("a could not renew")
	}
	c.add(90 * time.Second)
	if got := lead(t, b); !got.IsZero() {
		t.Fatalf("b leads until %s though a has renewed", got)
	}
	c.add(2 * time.Minute)
	if lead(t, b).IsZero() {
		t.Fatal("b does not lead though a was silent for the duration")
	}
	if got := lead(t, a); !got.IsZero() {
		t.Fatalf("a leads until %s beside b", got)
	}
	if err := a.Release(t.Context()); err != nil { // it holds nothing any more, and must not take b's lead away
		t.Fatal(err)
	}
	if got := lead(t, a); !got.IsZero() {
		t.Fatal("a leads beside b after it released what it did not have")
	}
	if err := b.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lead(t, a).IsZero() {
		t.Error("a does not lead though b has released")
	}
}

func TestACronJobLooksOnceAndGoesByTheWrittenTime(t *testing.T) {
	dropLease(t)
	c := &clock{t: time.Now()}
	lead(t, candidate(t, "a", c))
	c.add(3 * time.Minute)
	if got := lead(t, candidate(t, "b", c)); !got.IsZero() {
		t.Fatalf("b leads until %s within twice the duration; clocks may differ", got)
	}
	c.add(2 * time.Minute)
	if lead(t, candidate(t, "b", c)).IsZero() {
		t.Error("b does not lead though a was silent for more than twice the duration")
	}
}

func TestOfManyAtOnceOneLeads(t *testing.T) {
	dropLease(t)
	c := &clock{t: time.Now()}
	var wg sync.WaitGroup
	results := make([]time.Time, 8)
	for i := range results {
		l := candidate(t, string(rune('a'+i)), c)
		wg.Go(func() {
			until, err := l.Lead(t.Context())
			if err != nil {
				t.Error(err)
			}
			results[i] = until
		})
	}
	wg.Wait()
	leaders := 0
	for _, until := range results {
		if !until.IsZero() {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders, want one", leaders)
	}
}

func TestTwoScalersOnAClusterActAsOne(t *testing.T) {
	create(t, workload("Deployment"))
	dropLease(t)
	c := &clock{t: time.Now()}
	target := open(t, Deployment("default", "etl"), Options{})
	var scalers []*scaler.Scaler
	for i, holder := range []string{"a", "b"} {
		s, err := scaler.New(target, fixed(6+i), &scaler.Options{Leader: candidate(t, holder, c), Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		scalers = append(scalers, s)
	}
	steps := func() (actions [2]scaler.Action) {
		for i, s := range scalers {
			d, err := s.Once(t.Context())
			if err != nil {
				t.Error(err)
			}
			actions[i] = d.Action
		}
		return actions
	}
	if got, want := steps(), [2]scaler.Action{scaler.Changed, scaler.Standby}; got != want {
		t.Fatalf("actions %v, want %v", got, want)
	}
	wantSize(t, target, copies(6))

	// The lease is taken away: the first one stops at once, though it was never told.
	if err := leases(t).Delete(t.Context(), "etl-scaler", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	lead(t, candidate(t, "somebody", c))
	if got, want := steps(), [2]scaler.Action{scaler.Kept, scaler.Standby}; got != want {
		t.Errorf("actions %v, want %v", got, want)
	}
	c.add(3 * time.Minute)
	if got, want := steps(), [2]scaler.Action{scaler.Kept, scaler.Standby}; got != want {
		t.Errorf("actions %v, want %v: the first one leads again", got, want)
	}
}

// The person wins, the scaler notices, and goes on from there.
func TestAPersonChangesTheSizeInBetween(t *testing.T) {
	create(t, workload("Deployment"))
	object := Deployment("default", "etl")
	target := open(t, object, Options{})
	s, err := scaler.New(target, fixed(6), &scaler.Options{Respect: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	target.client = &interloper{target.client, func() { patch(t, "admin", object, `{"spec":{"replicas":20}}`) }}
	patch(t, "admin", object, `{"spec":{"replicas":10}}`)
	d, err := s.Once(t.Context())
	if d.Outside == nil || d.Outside.To != copies(10) || d.Action != scaler.Refused || !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%s, outside %+v (%v); want the change to 10 noticed, and the one to 20 respected", d, d.Outside, err)
	}
	wantSize(t, target, copies(20))
	if s, err = scaler.New(target, fixed(6), nil); err != nil {
		t.Fatal(err)
	}
	target.client = target.client.(*interloper).ResourceInterface
	if d, err := s.Once(t.Context()); err != nil || d.Action != scaler.Changed {
		t.Fatalf("%s (%v)", d, err)
	}
	patch(t, "admin", object, `{"spec":{"replicas":3}}`)
	if d, err := s.Once(t.Context()); err != nil || d.Action != scaler.Kept || d.Outside == nil {
		t.Errorf("%s, outside %v (%v), want the person's size left alone for a while", d, d.Outside, err)
	}
	wantSize(t, target, copies(3))
}

func TestMemoryIsKeptInAConfigMap(t *testing.T) {
	m, err := NewMemory("default", "etl-scaler", cluster(t).Config("admin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v, want nothing to be there", err)
	}
	for _, text := range []string{"{}", `{"policy":1}`} {
		if err := m.Save(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := m.Load(t.Context()); err != nil || string(b) != text {
			t.Errorf("%q (%v), want %q", b, err, text)
		}
	}
	t.Cleanup(func() {
		m.(*memory).client.Delete(context.Background(), "etl-scaler", metav1.DeleteOptions{})
	})
}

// A process whose clock stepped ahead took the lead from one that went on renewing it, at each look.
func TestALeadThatIsRenewedIsNotTakenByAClockThatIsAhead(t *testing.T) {
	other, seconds := "other", int32(120)
	l, now := &Lease{o: LeaseOptions{Holder: "me", Duration: 2 * time.Minute}}, time.Now()
	for i := range 5 {
		renewed := metav1.NewMicroTime(now)
		if i > 0 {
			renewed = metav1.NewMicroTime(now.Add(-24 * time.Hour)) // ours is a day ahead since the second look
		}
		pending := &coordination.Lease{
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: fmt.Sprint(i + 1)},
			Spec:       coordination.LeaseSpec{HolderIdentity: &other, RenewTime: &renewed, LeaseDurationSeconds: &seconds},
		}
		if l.free(pending, now) {
			t.Errorf("look %d: the lease is taken for free", i+1)
		}
		now = now.Add(time.Minute)
	}
}
