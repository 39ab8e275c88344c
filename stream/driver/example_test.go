package driver_test

import (
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// A source says how its own tools number records, and errors and dead letters follow it.
func ExampleSourceInfo_Print() {
	kafka := driver.SourceInfo{ID: "kafka:cluster", FromZero: true}
	fmt.Println("offset", kafka.Print(record.Partition{Source: "cluster/hits", ID: "0"}, record.Position{Sub: 42}))
	files := driver.SourceInfo{ID: "file"}
	fmt.Println("line", files.Print(record.Partition{Source: "hits", ID: "a.log"}, record.Position{Sub: 42}))
	// Output:
	// offset 41
	// line 42
}

// A batch belongs to the engine until it is released; then its memory may be used again.
func ExampleBatch_Release() {
	b := driver.Batch{Lane: "hits/0", Records: make([]record.Record, 3), Done: func() { fmt.Println("its buffer is free") }}
	fmt.Println(len(b.Records), "records of", b.Lane)
	b.Release()
	// Output:
	// 3 records of hits/0
	// its buffer is free
}
