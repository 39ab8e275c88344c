package audit_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// An endpoint answers its client once the events are kept and registered. That the source is away makes no difference.
func ExampleBatcher() {
	ctx := context.Background()
	folder, err := audit.OpenFolder(ctx, sinktest.NewMemory(), "clicks")
	if err != nil {
		log.Fatal(err)
	}
	registry := audit.NewObjects(folder)
	away := audit.SenderFunc(func(context.Context, []audit.Line) error { return fmt.Errorf("no broker answers") })
	batcher, err := audit.OpenBatcher(ctx, folder, registry, away, &audit.BatcherOptions{Age: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := batcher.Add(ctx, []audit.Event{{Value: []byte(`{"id":1}`)}, {Value: []byte(`{"id":2}`)}})
	fmt.Println("accepted:", receipt.Lines, err)

	lines, err := folder.Lines(ctx, receipt.ID)
	fmt.Println("kept:", string(lines[0].Event.Value), string(lines[1].Event.Value), err)
	now := receipt.ID.Time()
	for r, err := range registry.List(ctx, now, now.Add(time.Second)) {
		fmt.Println("registered:", r.ID == receipt.ID, r.Lines, err)
	}
	// Output:
	// accepted: 2 <nil>
	// kept: {"id":1} {"id":2} <nil>
	// registered: true 2 <nil>
}
