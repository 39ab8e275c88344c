package servers

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const dynamoDBVersion = "2.6.1"

// DynamoDB is a running DynamoDB Local. Its methods are safe for concurrent use.
type DynamoDB struct {
	home, dir string
	port      int

	mu   sync.Mutex
	proc *Process
}

// InstallDynamoDB takes DynamoDB Local from its Maven artifact.
func InstallDynamoDB(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "dynamodb", dynamoDBVersion, func(ctx context.Context, dir string) error {
		return maven(ctx, dir, jar{group: "com.amazonaws", artifact: "DynamoDBLocal", version: dynamoDBVersion})
	})
}

// StartDynamoDB starts a server without tables. Any credentials do.
func StartDynamoDB(ctx context.Context, c *Cache) (*DynamoDB, error) {
	home, err := InstallDynamoDB(ctx, c)
	if err != nil {
		return nil, err
	}
	d := &DynamoDB{home: home}
	if d.port, err = c.Port(ctx); err != nil {
		return nil, err
	}
	if d.dir, err = temp("", "dynamodb"); err != nil {
		return nil, err
	}
	if err := d.Restart(ctx); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

// Restart starts the server again over its data, if it does not run.
func (d *DynamoDB) Restart(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.proc != nil && d.proc.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	d.proc, err = start(ctx, spec{
		name: "dynamodb", log: filepath.Join(d.dir, "dynamodb.log"), dir: d.dir,
		args: []string{
			"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-DDDB_LOCAL_TELEMETRY=0",
			"-cp", filepath.Join(d.home, "libs", "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
			"-port", strconv.Itoa(d.port), "-sharedDb", "-disableTelemetry", "-dbPath", d.dir,
		},
		ready: listens(d.port),
	})
	return err
}

// Endpoint is the server's URL.
func (d *DynamoDB) Endpoint() string { return "http://" + addr(d.port) }

// Process is the server's process.
func (d *DynamoDB) Process() *Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.proc
}

// Stop ends the server and deletes its data.
func (d *DynamoDB) Stop() {
	if p := d.Process(); p != nil {
		p.Kill()
	}
	_ = os.RemoveAll(d.dir)
}
