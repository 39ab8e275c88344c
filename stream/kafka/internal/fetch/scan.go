package fetch

import (
	"errors"

	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
)

// scanned is what the heads of the batches in an answer show before anything is decoded.
type scanned struct {
	next  int64 // the offset to go on with
	epoch int32 // of the last batch; -1 without one
	want  int32 // size of a batch that was cut though it came first; 0 if none was
	whole int   // bytes of the batches that are whole
}

// scan reads the heads, so that the next request can be sent before the bodies are decoded. It checks nothing; decoding
// corrects next if it finds a fault.
func scan(data []byte, next int64) scanned {
	r := scanned{next: next, epoch: -1}
	var h batch.Header
	for rest := data; len(rest) > 0; {
		after, err := batch.Next(rest, &h)
		if err != nil {
			if errors.Is(err, batch.ErrPartial) && r.whole == 0 {
				r.want = int32(max(h.Size, 2*len(data)))
			}
			if !errors.Is(err, batch.ErrPartial) {
				r.whole = len(data) // decoding must see the bad batch
			}
			return r
		}
		r.whole += len(rest) - len(after)
		r.next, r.epoch = max(r.next, h.Last+1), h.Epoch
		rest = after
	}
	return r
}
