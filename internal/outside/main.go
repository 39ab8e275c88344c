// Command outside uses a package of every module. A release is tried with it in a module outside of the repository, which gets
// all of them with go get; here, in a module of its own, it is compiled with everything else.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"cloud.google.com/go/storage"
	goredis "github.com/redis/go-redis/v9"
	"google.golang.org/api/option"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/pebble"
	"github.com/onceflow/onceflow/dedup/redis"
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/keda"
	"github.com/onceflow/onceflow/scaler/kubernetes"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	auditpostgres "github.com/onceflow/onceflow/sink/audit/postgres"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/azure"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
	deliveryredis "github.com/onceflow/onceflow/sink/delivery/redis"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/gcs"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/otel"
	"github.com/onceflow/onceflow/stream/prometheus"
	"github.com/onceflow/onceflow/stream/record"
)

type hit struct {
	ID string
	At time.Time
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	dir, err := os.MkdirTemp("", "outside-")
	if err == nil {
		err = job(ctx, dir)
	}
	_ = os.RemoveAll(dir)
	if err != nil {
		stop()
		log.Fatal(err)
	}
	servers(ctx)
	fmt.Println("all modules work from outside")
}

// job writes two hits of three, of which one is a copy, to an hourly Avro file.
func job(ctx context.Context, dir string) error {
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.Mkdir(in, 0o755); err != nil {
		return err
	}
	lines := `{"ID":"a","At":"2026-01-02T03:04:05Z"}
{"ID":"b","At":"2026-01-02T03:04:06Z"}
{"ID":"a","At":"2026-01-02T03:04:05Z"}
`
	if err := os.WriteFile(filepath.Join(in, "hits.jsonl"), []byte(lines), 0o600); err != nil {
		return err
	}
	src, err := file.Open(file.Config{Dir: in}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	store, err := sinkfile.Open(out, nil)
	if err != nil {
		return err
	}
	ids, err := pebble.Open(filepath.Join(dir, "ids"), nil)
	if err != nil {
		return err
	}
	format, err := avro.For[hit](nil)
	if err != nil {
		return err
	}
	hits := stream.Via(stream.From(src), stream.Decode(func(r *record.Record) (h hit, err error) {
		err = json.Unmarshal(r.Value, &h)
		return h, err
	}, func(h *hit) time.Time { return h.At }))
	once := stream.Via(hits, dedup.ByID(ids, func(h *hit) string { return h.ID }, nil))
	files, err := sink.Open(ctx, store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format}}, nil)
	if err != nil {
		return err
	}
	if err := stream.Run(ctx, once, seal.Hourly(files, nil), &stream.Options{KeysInLanes: true}); err != nil {
		return err
	}
	var rows int64
	for m, err := range sink.Committed(ctx, store, "etl", 0, nil) {
		if err != nil {
			return err
		}
		for _, f := range m.Files {
			rows += f.Rows
		}
	}
	fmt.Println("rows of hits written to Avro files:", rows)
	return ids.Close()
}

// servers uses what needs a server, which is not there.
func servers(ctx context.Context) {
	nobody := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	_, err := redis.Open(ctx, nobody, "etl", nil)
	fmt.Println("dedup/redis says that nobody answers:", err != nil)

	_, err = gcs.Open(ctx, "", &gcs.Options{Client: client(ctx)})
	fmt.Println("sink/gcs refuses a bucket without a name:", err != nil)

	_, err = azure.Open(ctx, "", nil)
	fmt.Println("sink/azure refuses a container without a URL:", err != nil)

	_, err = postgres.Open(ctx, nil, nil, nil)
	fmt.Println("sink/delivery/postgres refuses to be opened without tables:", err != nil)
	_, err = auditpostgres.Open(ctx, nil, "clicks", nil)
	fmt.Println("sink/audit/postgres refuses to be opened without a database:", err != nil)

	_, err = deliveryredis.Open(ctx, nobody, nil)
	fmt.Println("sink/delivery/redis says that nobody answers:", err != nil)

	set := metrics.New(nil)
	stop, err := otel.Start(set, nil)
	fmt.Println("stream/prometheus and stream/otel take a set of metrics:", prometheus.New(set) != nil && stop != nil && err == nil)

	_, err = kubernetes.NewLease("", "", nil)
	fmt.Println("scaler/kubernetes refuses a lease without a name:", err != nil)

	server := keda.New(func(context.Context) (scaler.Size, error) { return scaler.Size{Copies: 1}, nil })
	fmt.Println("scaler/keda has a server:", server != nil)
}

func client(ctx context.Context) *storage.Client {
	c, err := storage.NewClient(ctx, option.WithoutAuthentication())
	if err != nil {
		log.Fatal(err)
	}
	return c
}
