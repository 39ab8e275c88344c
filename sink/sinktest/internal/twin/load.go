package twin

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"runtime"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Load is what a long file took. No other call may be under way.
type Load struct {
	Bytes  int64
	Sum    uint32 // CRC-32C
	Memory int64  // the most that the heap had grown, less what an upload said it had
	Ref    []byte
}

const piece = 1 << 20

// Fill stages a file of n bytes there.
func (p *Process) Fill(ctx context.Context, key, owner string, n int64) (Load, error) {
	r, err := p.call(ctx, request{Op: "fill", Key: key, Owner: owner, Limit: n})
	return r.Load, err
}

// Drain reads an object to its end there.
func (p *Process) Drain(ctx context.Context, key string) (Load, error) {
	r, err := p.call(ctx, request{Op: "drain", Key: key})
	return r.Load, err
}

func fill(ctx context.Context, store storage.Store, q *request, l *Load) error {
	up, err := store.Stage(ctx, q.Key, q.Owner, 0)
	if err != nil {
		return err
	}
	body := make([]byte, piece)
	gatherer, _ := up.(storage.Gatherer)
	before := heap()
	for l.Bytes < q.Limit {
		if _, err := up.Write(body); err != nil {
			return err
		}
		l.Bytes += piece
		l.weigh(func() int64 {
			var said int64
			if gatherer != nil {
				said = gatherer.Gathered()
			}
			return heap() - before - said
		})
	}
	runtime.KeepAlive(body)
	l.Ref, err = up.Close(ctx)
	return err
}

func drain(ctx context.Context, store storage.Store, q *request, l *Load) error {
	before := heap()
	r, err := store.Open(ctx, q.Key)
	if err != nil {
		return err
	}
	table, buf := crc32.MakeTable(crc32.Castagnoli), make([]byte, 64<<10)
	for next := int64(0); err == nil; {
		var n int
		n, err = r.Read(buf)
		l.Bytes += int64(n)
		l.Sum = crc32.Update(l.Sum, table, buf[:n])
		if l.Bytes >= next {
			l.weigh(func() int64 { return heap() - before })
			next = l.Bytes + piece
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, r.Close())
}

// weigh looks a few times, since what is on its way is counted a moment before or after it is let go.
func (l *Load) weigh(grown func() int64) {
	least := grown()
	for range 4 {
		if least <= piece {
			break
		}
		least = min(least, grown())
	}
	l.Memory = max(l.Memory, least)
}

// heap is how much this process has in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a pool keeps is let go by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap has 2^63 bytes
}
