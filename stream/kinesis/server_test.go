package kinesis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// emulator is a server with one stream.
type emulator struct {
	client   *kinesis.Client
	endpoint string
	config   Config
}

func local(endpoint string) (aws.Config, func(*kinesis.Options)) {
	c := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}
	return c, func(o *kinesis.Options) { o.BaseEndpoint = &endpoint }
}

// streamOn makes a stream on an emulator.
func streamOn(t *testing.T, endpoint, name string, shards int32) *emulator {
	t.Helper()
	cfg, opt := local(endpoint)
	v := &emulator{client: kinesis.NewFromConfig(cfg, opt), endpoint: endpoint, config: Config{AWS: cfg, Stream: name}}
	if _, err := v.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	v.active(t)
	return v
}

// active waits until the stream can be used.
func (v *emulator) active(t *testing.T) {
	t.Helper()
	for {
		d, err := v.client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &v.config.Stream})
		if err != nil {
			t.Fatal(err)
		}
		if d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		if err := retry.Sleep(t.Context(), 20*time.Millisecond, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func (v *emulator) put(t *testing.T, key string, data []byte) {
	t.Helper()
	if _, err := v.client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &v.config.Stream, PartitionKey: &key, Data: data}); err != nil {
		t.Fatal(err)
	}
}

func (v *emulator) open(t *testing.T, o *Options) *Source {
	t.Helper()
	var opts Options
	if o != nil {
		opts = *o
	}
	_, opts.Client = local(v.endpoint)
	s, err := Open(t.Context(), v.config, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformanceOnAServer(t *testing.T) {
	k := servertest.KinesisLocal(t)
	front, err := k.Front(t.Context(), servertest.Need(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.Stop)
	v := streamOn(t, front.Endpoint(), "hits", 3)
	for k := range 150 {
		v.put(t, fmt.Sprintf("key%d", k), fmt.Appendf(nil, "value %d", k))
	}
	t.Run("polling", func(t *testing.T) {
		streamtest.RunSource(t, func(t *testing.T) driver.Source { return v.open(t, nil) })
	})
	t.Run("fan-out", func(t *testing.T) {
		n := 0 // each with a consumer of its own: the service keeps a subscription from the next for seconds
		streamtest.RunSource(t, func(t *testing.T) driver.Source {
			n++
			return v.open(t, &Options{FanOut: fmt.Sprintf("job%d", n)})
		})
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	v := streamOn(t, servertest.KinesisLocal(t).Endpoint(), "hits", 1)
	_, opt := local(v.endpoint)
	cfg := v.config
	cfg.Stream = "hit"
	_, err := Open(t.Context(), cfg, &Options{Client: opt})
	if err == nil || !strings.Contains(err.Error(), `is there a stream "hit" in region "us-east-1"`) {
		t.Errorf("got %v, want an error that names stream and region", err)
	}
}
