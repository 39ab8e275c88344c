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
// go; each lane has one reader, as evenly as lanes can be split, and moves only if one process has two more than another.
//
// A process needs dynamodb:DescribeTable, Query, PutItem and DeleteItem on the table, and CreateTable if it is to make it.
// Each writes and queries the table ten times in a lease time.
type Leases struct {
	// Group is what the processes of a job have in common, such as its name. Other jobs on the stream have another.
	Group string

	// Table is the table's name. It is made, paid by request, if there is none. Jobs can share one.
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

	// HandOver is how long a process may take to commit and give away a lane that another is to have. After that the
	// other begins, and the work since the last commit is done again.
	//
	// Defaults to 30 seconds.
	HandOver time.Duration
}

// join makes the process a member of the group, for a stream: its ARN and creation time, so that the lanes of one that was
// made again are others.
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
