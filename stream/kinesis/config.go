package kinesis

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
)

// Config says which stream to read.
type Config struct {
	// AWS has region and credentials. Its retryer is not used, since the source does its own retries.
	AWS aws.Config

	// Stream is the stream's name, or its ARN.
	Stream string
}

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Shards makes this process read only these shards and all that descend from them. IDs are as the service lists them.
	// Each open shard must be in the list of one process of the job. Whoever reads the parent of a merge reads its child,
	// not whoever reads the adjacent parent. It cannot be combined with Leases.
	//
	// Defaults to all shards, which is right for one process alone.
	Shards []string

	// Leases shares the shards out among the processes of a job, through a table in DynamoDB.
	//
	// Defaults to none: this process reads all shards, or those of Shards.
	Leases *Leases

	// FanOut is the name of an enhanced fan-out consumer to read with, which is registered if it does not exist. Each shard
	// then has 2 MB a second for this job alone, pushed within about 70 ms, at a price per shard and per GB. Each job needs
	// a name of its own, since two that share one take each other's subscriptions away. Old records are polled when a lane
	// begins. So is a shard while the service keeps a subscription for its last reader.
	//
	// Defaults to polling, which shares 5 reads and 2 MB a second and shard with all that polls the stream.
	FanOut string

	// Poll is how long to wait before the next read of a shard that had nothing more. A shorter time uses up the 5 reads a
	// second that all pollers of a shard share.
	//
	// Defaults to 1 second; the least is 200 ms.
	Poll time.Duration

	// Limit is the most records of one answer, 1 to 10,000.
	//
	// Defaults to 10,000.
	Limit int32

	// Buffer bounds the bytes that are read ahead of the stages, with those that requests in progress may bring.
	//
	// Defaults to 64 MiB. The least is 10 MiB, the largest answer.
	Buffer int64

	// Skew is how much newer than its arrival the event time of a record may be. It widens warm-ups.
	//
	// Defaults to 1 hour.
	Skew time.Duration

	// Refresh is how often to look for shards that split, merge or expire, and for what other processes have committed.
	//
	// Defaults to 10 seconds.
	Refresh time.Duration

	// Timeout bounds each request.
	//
	// Defaults to 30 seconds.
	Timeout time.Duration

	// Stall is how long a shard may give nothing but errors until Health reports it.
	//
	// Defaults to 1 minute.
	Stall time.Duration

	// GiveUp is how long a stall may last before Poll fails with a StallError, so that the process is started anew.
	//
	// Defaults to 10 minutes. -1 disables.
	GiveUp time.Duration

	// Logger gets a line for each change of lanes and health. Defaults to discarding.
	Logger *slog.Logger

	// Client changes the options of the client, such as its endpoint. Nil changes nothing.
	Client func(*kinesis.Options)
}

const (
	minBuffer = 10 << 20 // what one answer may have
	maxLimit  = 10000
)

// fill returns a copy with defaults, or all that is wrong.
func (c *Config) fill(o *Options) (*Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Poll = cmp.Or(f.Poll, time.Second)
	f.Limit = cmp.Or(f.Limit, maxLimit)
	common := limits.Set{
		Buffer: &f.Buffer, Skew: &f.Skew, Refresh: &f.Refresh, Timeout: &f.Timeout, Stall: &f.Stall, GiveUp: &f.GiveUp, Logger: &f.Logger,
	}
	errs := []error{common.Fill(30 * time.Second)}
	if c.Stream == "" {
		errs = append(errs, errors.New("Config.Stream is empty"))
	}
	if c.AWS.Region == "" && !strings.HasPrefix(c.Stream, "arn:") {
		errs = append(errs, errors.New("Config.AWS has no region: load it with config.WithRegion, or set AWS_REGION"))
	}
	if f.Poll < service.MinPoll {
		errs = append(errs, fmt.Errorf("Poll %s is shorter than %s: all readers of a shard share 5 reads a second", f.Poll, service.MinPoll))
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		errs = append(errs, fmt.Errorf("Limit %d is not between 1 and %d", f.Limit, maxLimit))
	}
	if f.Buffer >= 0 && f.Buffer < minBuffer { // below 0 it has been said
		errs = append(errs, fmt.Errorf("Buffer %d is less than the %d bytes that one answer may have", f.Buffer, minBuffer))
	}
	if f.Leases != nil && f.Shards != nil {
		errs = append(errs, errors.New("Shards and Leases are both set: shards are either listed or leased"))
	}
	return &f, errors.Join(errs...)
}
