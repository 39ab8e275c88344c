package redis_test

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/sink/delivery/keyvalue"
	"github.com/onceflow/onceflow/sink/delivery/redis"
)

// double plays the server's part in an example: it prints what it is asked to put.
type double struct{}

func (double) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (double) ProcessHook(goredis.ProcessHook) goredis.ProcessHook {
	return func(context.Context, goredis.Cmder) error { return nil } // the script
}

func (double) ProcessPipelineHook(goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(_ context.Context, cmds []goredis.Cmder) error {
		for _, c := range cmds {
			args := c.Args() // evalsha, script, number of keys, key, version, has a value, value, time to live
			fmt.Printf("%s = %s, version %s\n", args[3], args[6], args[4])
		}
		return nil
	}
}

// A store puts values that are newer. keyvalue.New makes a target of it.
func ExampleOpen() {
	ctx := context.Background()
	client := goredis.NewClient(&goredis.Options{Addr: "redis:6379"})
	defer client.Close()
	client.AddHook(double{})

	profiles, err := redis.Open(ctx, client, &redis.Options{Prefix: "profile:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = profiles.PutNewer(ctx, []keyvalue.Put{{Key: "u17", Value: []byte(`{"segment":4}`), Version: keyvalue.Version{Unit: 9, N: 1}}})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// profile:u17 = {"segment":4}, version 000000000000000000000000000000090000000000000001
}
