package sink

import (
	"context"

	"github.com/onceflow/onceflow/stream"
)

func (k *keeper) maintain(ctx context.Context, list func(context.Context) ([]stream.Partition, error)) (stream.Upkeep, error) {
	return stream.Upkeep{Settled: true}, nil
}
