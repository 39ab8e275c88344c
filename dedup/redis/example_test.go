package redis_test

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/redis"
	"github.com/onceflow/onceflow/stream/record"
)

// double plays the server's part in an example: it knows the scripts by the number of their keys, and which IDs are taken.
type double map[string]bool

func (double) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (double) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (d double) ProcessHook(goredis.ProcessHook) goredis.ProcessHook {
	return func(_ context.Context, c goredis.Cmder) error {
		script, ok := c.(*goredis.Cmd)
		if !ok {
			return nil // the probe
		}
		args := c.Args() // evalsha, script, number of keys, keys...
		keys := args[min(5, 3+args[2].(int)) : 3+args[2].(int)]
		if len(keys) == 0 {
			script.SetVal(int64(0))
			return nil
		}
		won := ""
		for _, k := range keys {
			if d[k.(string)] {
				won += "0"
			} else {
				won += "1"
			}
			d[k.(string)] = true
		}
		script.SetVal(won)
		return nil
	}
}

// Copies of an ID may be in any partition, so all processes of the job share one store. The client is the caller's.
func ExampleOpen() {
	ctx := context.Background()
	client := goredis.NewClient(&goredis.Options{Addr: "redis:6379"})
	defer client.Close()
	client.AddHook(double{})

	ids, err := redis.Open(ctx, client, "etl", &redis.Options{TTL: 3 * 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	space := dedup.Space{Name: "hits", Window: 24 * time.Hour, Bucket: time.Hour}
	one, err := ids.Open(ctx, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := ids.Open(ctx, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	// dedup.ByID does this for a stage.
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for n, table := range []dedup.Table{one, other} {
		won := make([]bool, 2)
		by := dedup.Holder{Partition: &record.Partition{Source: "hits", ID: fmt.Sprint(n)}}
		err := table.Claim(ctx, []dedup.Claim{{ID: dedup.Hash("a"), Time: at, By: by}, {ID: dedup.Hash(fmt.Sprint(n)), Time: at, By: by}}, won)
		fmt.Println(won, err)
	}
	// Output:
	// [true true] <nil>
	// [false true] <nil>
}
