package delivery_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// A file that is not what its manifest says, because somebody has replaced it, must not become rows without an error.
func TestAFileThatIsNotWhatTheManifestSaysIsAnError(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 1)
	store := replaced{job.Store.(*sinktest.Memory)}
	target := &names{}
	ctx, stop := context.WithCancel(deliverytest.Context(t.Context()))
	defer stop()
	d, err := delivery.Open(ctx, store, deliverytest.Name, "pg", target, &delivery.Options{Logger: new(logged).logger()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	waitFor(t, func() bool { return d.Status().Condition == delivery.Fails })
	if s := d.Status(); len(s.Parked) != 0 || !strings.Contains(s.LastError.Error(), "its manifest says") {
		t.Errorf("status %+v, want an error that compares the file with the manifest, and nothing parked", s)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	target.want(t)
}

// replaced is a store in which somebody has replaced the data files by one that can be read just as well.
type replaced struct{ *sinktest.Memory }

func (r replaced) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	rc, err := r.Memory.Open(ctx, key)
	if err != nil || !strings.HasPrefix(key, "rows/") {
		return rc, err
	}
	b, err := io.ReadAll(rc)
	return io.NopCloser(strings.NewReader(string(b) + string(b))), err
}
