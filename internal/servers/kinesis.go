package servers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	kinesisLocalVersion = "0.6.2"
	kinesaliteVersion   = "3.3.3"
)

// Kinesis is a running Kinesis emulator. It keeps its data in memory.
type Kinesis struct {
	*Process
	dir  string
	port int
}

// InstallKinesisLocal installs the faithful emulator: resharding with child shards, expired iterators; about 1,000
// records a second.
func InstallKinesisLocal(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "kinesis-local", kinesisLocalVersion, func(ctx context.Context, dir string) error {
		return npm(ctx, dir, "kinesis-local", kinesisLocalVersion)
	})
}

// InstallKinesalite installs the fast emulator: 14,000 records a second, without child shards and true lags.
func InstallKinesalite(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "kinesalite", kinesaliteVersion, func(ctx context.Context, dir string) error {
		return npm(ctx, dir, "kinesalite", kinesaliteVersion)
	})
}

// StartKinesisLocal starts the faithful emulator. It listens on all interfaces, which it cannot be kept from.
func StartKinesisLocal(ctx context.Context, c *Cache) (*Kinesis, error) {
	home, err := InstallKinesisLocal(ctx, c)
	if err != nil {
		return nil, err
	}
	ports, err := c.ports(ctx, 2)
	if err != nil {
		return nil, err
	}
	env := []string{
		fmt.Sprintf("KINESIS_MOCK_PLAIN_PORT=%d", ports[0]), fmt.Sprintf("KINESIS_MOCK_TLS_PORT=%d", ports[1]),
		"SHARD_LIMIT=1000", "LOG_LEVEL=ERROR",
	}
	for _, op := range []string{
		"CREATE_STREAM", "DELETE_STREAM", "REGISTER_STREAM_CONSUMER", "DEREGISTER_STREAM_CONSUMER", "MERGE_SHARDS", "SPLIT_SHARD",
		"UPDATE_SHARD_COUNT", "START_STREAM_ENCRYPTION", "STOP_STREAM_ENCRYPTION",
	} {
		env = append(env, op+"_DURATION=50ms")
	}
	return startKinesis(ctx, ports[0], spec{
		name: "kinesis-local", args: []string{"node", "main.js"}, env: env,
		dir: filepath.Join(home, "node_modules", "kinesis-local"), // where its certificate is
	})
}

// StartKinesalite starts the fast emulator.
func StartKinesalite(ctx context.Context, c *Cache) (*Kinesis, error) {
	home, err := InstallKinesalite(ctx, c)
	if err != nil {
		return nil, err
	}
	port, err := c.Port(ctx)
	if err != nil {
		return nil, err
	}
	// By its API, since its command listens on all interfaces.
	script := fmt.Sprintf("require('kinesalite')({createStreamMs:20,deleteStreamMs:20,updateStreamMs:20,shardLimit:1000}).listen(%d,'127.0.0.1')", port)
	return startKinesis(ctx, port, spec{name: "kinesalite", args: []string{"node", "-e", script}, dir: home})
}

func startKinesis(ctx context.Context, port int, s spec) (*Kinesis, error) {
	dir, err := temp("", s.name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.log, s.ready = filepath.Join(dir, "log"), listens(port)
	p, err := start(ctx, s)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return &Kinesis{Process: p, dir: dir, port: port}, nil
}

// Endpoint is the emulator's URL. It takes any credentials.
func (k *Kinesis) Endpoint() string { return "http://" + addr(k.port) }

// Stop ends the emulator.
func (k *Kinesis) Stop() {
	k.Kill()
	_ = os.RemoveAll(k.dir)
}
