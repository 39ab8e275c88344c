package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// BenchmarkAdd is what an endpoint spends on 100 events of 500 bytes: copy, compress, keep, register, send.
func BenchmarkAdd(b *testing.B) {
	send := audit.SenderFunc(func(context.Context, []audit.Line) error { return nil })
	w, err := batcher(b, sinktest.NewMemory(), send, &audit.BatcherOptions{Age: 20 * time.Millisecond, Memory: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	request := make([]audit.Event, 100)
	for i := range request {
		v := fmt.Appendf(nil, `{"user":"u%07d","at":"2025-05-01T12:%02d:00Z","kind":"click","page":"/a/%x"`, i*7919, i%60, i*104729)
		for len(v) < 498 {
			v = fmt.Appendf(v, `,"f%d":%d`, len(v), (i+len(v))*7919%10007)
		}
		request[i].Value = append(v[:499], '}')
	}
	b.SetParallelism(200) // clients that wait for their batch
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := w.Add(context.Background(), request); err != nil {
				b.Error(err)
			}
		}
	})
	if err := w.Close(context.Background()); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
