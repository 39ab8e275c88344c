package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/onceflow/onceflow/stream/kinesis/internal/lease"
)

// Leases shares the lanes of a job out among its processes through a DynamoDB table. Any number of processes may come and
// go. Each lane has one reader, and lanes are spread as evenly as possible. A lane moves only if one process has two more
// than another.
//
// A process needs dynamodb:DescribeTable, Query, PutItem and DeleteItem on the table, and CreateTable if it is to make it.
// Each writes and queries the table ten times in a lease time.
type Leases struct {
	// Group is the same for all processes of a job, such as the job's name. Other jobs on the stream need another.
	Group string

	// Table is the table's name. If there is none it is made, paid by request. Jobs can share one.
	//
	// Defaults to "onceflow-leases".
	Table string

	// Endpoint is the URL of a server that is not Amazon's, such as DynamoDB Local.
	Endpoint string

	// Lease is how long a process must have been silent before the others take its lanes. A process that pauses for
	// longer does the work since its last commit for nothing.
	//
	// Defaults to 10 seconds.
	Lease time.Duration

	// HandOver is how long a process may take to commit and give away a lane that another should have. Then the other
	// begins, and the work since the last commit is done again.
	//
	// Defaults to 30 seconds.
	HandOver time.Duration
}

// join makes the process a member of the group. stream is the ARN and creation time, so a stream that was made again has
// other lanes.
func (l *Leases) join(ctx context.Context, cfg aws.Config, stream string, log *slog.Logger) (assigner, error) {
	if l.Group == "" {
		return nil, errors.New("kinesis: leases: no Group")
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		if l.Endpoint != "" {
			o.BaseEndpoint = &l.Endpoint
		}
	})
	table, err := lease.OpenTable(ctx, client, cmp.Or(l.Table, "onceflow-leases"), l.Group+" "+stream)
	if err != nil {
		return nil, explain(err)
	}
	m, err := lease.Join(ctx, table, &lease.Options{Lease: l.Lease, HandOver: l.HandOver, Logger: log})
	if err != nil {
		return nil, explain(err)
	}
	return m, nil
}

// explain says what to do about a table that refuses.
func explain(err error) error {
	if errors.Is(err, lease.ErrRefused) {
		return fmt.Errorf("kinesis: leases: %w; check the table's name, the region, and that the process may DescribeTable, Query, PutItem, "+
			"DeleteItem and, once, CreateTable", err)
	}
	return fmt.Errorf("kinesis: leases: %w", err)
}
