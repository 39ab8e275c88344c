package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// readOnly is a Store for readers alone: what it does not say, the Store behind it does.
type readOnly struct{ driver.Store }

func (readOnly) Create(_ context.Context, key string, _ []byte) error {
	return fmt.Errorf("create %q: %w", key, fs.ErrPermission)
}

func (readOnly) Stage(_ context.Context, key, _ string, _ int64) (driver.Upload, error) {
	return nil, fmt.Errorf("stage %q: %w", key, fs.ErrPermission)
}

// A Store is wrapped to change how it behaves. Errors match what the interface names, since callers go by that.
func Example() {
	ctx, memory := context.Background(), sinktest.NewMemory()
	fmt.Println(memory.Create(ctx, "greeting", []byte("hello")))
	var store driver.Store = readOnly{memory}
	body, err := store.Read(ctx, "greeting", 100)
	fmt.Println(string(body), err)
	fmt.Println(errors.Is(store.Create(ctx, "other", nil), fs.ErrPermission))
	// Output:
	// <nil>
	// hello <nil>
	// true
}
