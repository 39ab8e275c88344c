package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
)

// LeaseOptions are the optional settings of NewLease; nil means all defaults.
type LeaseOptions struct {
	// Config has the credentials.
	//
	// Defaults to those that the function Config finds.
	Config *rest.Config

	// Holder is the name of this process in the Lease. It must differ between processes.
	//
	// Defaults to the host name, which in a pod is the pod's name, and the process ID.
	Holder string

	// Duration is how long the lead lasts without being renewed. It must be longer than the time between two steps, and is
	// how long nobody acts after a leader has died.
	//
	// Defaults to 2 minutes.
	Duration time.Duration
}

// Lease is a scaler.Leader by a Lease of coordination.k8s.io. It is safe for concurrent use.
//
// A Lease alone cannot stop a process that sleeps between its check and its change; the test in each change of a Target
// does that.
type Lease struct {
	namespace, name string
	client          coordinationclient.LeaseInterface
	o               LeaseOptions

	mu      sync.Mutex
	version string    // of the Lease as it was seen last
	since   time.Time // when that version was first seen, by the own clock
	now     func() time.Time
}

// NewLease prepares a lead; Lead takes it.
func NewLease(namespace, name string, o *LeaseOptions) (*Lease, error) {
	l := &Lease{namespace: namespace, name: name, now: time.Now}
	if o != nil {
		l.o = *o
	}
	host, err := os.Hostname()
	if err != nil && l.o.Holder == "" {
		return nil, fmt.Errorf("kubernetes: lease: %w", err)
	}
	l.o.Holder = cmp.Or(l.o.Holder, fmt.Sprintf("%s-%d", host, os.Getpid()))
	l.o.Duration = cmp.Or(l.o.Duration, 2*time.Minute)
	if l.o.Duration < time.Second || namespace == "" || name == "" {
		return nil, errors.New("kubernetes: lease: needs a namespace, a name and a duration of at least a second")
	}
	config, err := configOr(l.o.Config)
	if err != nil {
		return nil, err
	}
	client, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: lease: %w", err)
	}
	l.client = client.Leases(namespace)
	return l, nil
}

// Lead takes the lease if nobody holds it, or renews it.
func (l *Lease) Lead(ctx context.Context) (until time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now() // before any request, so that the lead never seems longer here than it is elsewhere
	lease, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name, Namespace: l.namespace}}
		l.claim(lease, now)
		_, err = l.client.Create(ctx, lease, metav1.CreateOptions{})
		return l.settle(now, err)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("kubernetes: read lease %s: %w", l.name, err)
	}
	if !l.free(lease, now) {
		return time.Time{}, nil
	}
	l.claim(lease, now)
	_, err = l.client.Update(ctx, lease, metav1.UpdateOptions{}) // refused if anybody changed it since
	return l.settle(now, err)
}

// settle turns the outcome of a write into a lead. Somebody else's faster write is no error.
func (l *Lease) settle(now time.Time, err error) (time.Time, error) {
	switch {
	case err == nil:
		return now.Add(l.o.Duration), nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return time.Time{}, nil
	}
	return time.Time{}, fmt.Errorf("kubernetes: take lease %s: %w", l.name, err)
}

// free reports whether this process may take the lease. Another's has ended if it was not renewed for its duration by the
// own clock, which needs no agreement of clocks. A process that looks only once, such as a cron job, goes by the time that
// is written in it, and gives clocks another duration to differ; so does the first look of any process, and no other.
func (l *Lease) free(lease *coordination.Lease, now time.Time) bool {
	first := l.version == ""
	if lease.ResourceVersion != l.version {
		l.version, l.since = lease.ResourceVersion, now
	}
	s := lease.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || *s.HolderIdentity == l.o.Holder || s.RenewTime == nil {
		return true
	}
	lasts := l.o.Duration
	if s.LeaseDurationSeconds != nil {
		lasts = time.Duration(*s.LeaseDurationSeconds) * time.Second
	}
	return !now.Before(l.since.Add(lasts)) || first && !now.Before(s.RenewTime.Add(2*lasts))
}

func (l *Lease) claim(lease *coordination.Lease, now time.Time) {
	s := &lease.Spec
	at := metav1.NewMicroTime(now)
	if s.HolderIdentity == nil || *s.HolderIdentity != l.o.Holder {
		changes := int32(1)
		if s.LeaseTransitions != nil {
			changes += *s.LeaseTransitions
		}
		s.AcquireTime, s.LeaseTransitions = &at, &changes
	}
	lasts := int32((l.o.Duration + time.Second - 1) / time.Second)
	s.HolderIdentity, s.RenewTime, s.LeaseDurationSeconds = &l.o.Holder, &at, &lasts
}

// Release gives the lead up, so that another takes it in its next step instead of after the duration. Call it when Run has
// returned.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("kubernetes: release lease %s: %w", l.name, err)
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != l.o.Holder {
		return nil
	}
	nobody := ""
	lease.Spec.HolderIdentity = &nobody
	if _, err = l.client.Update(ctx, lease, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("kubernetes: release lease %s: %w", l.name, err)
	}
	return nil
}
