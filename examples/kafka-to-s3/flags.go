package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/s3"
	"github.com/onceflow/onceflow/stream/kafka"
)

// options are what the flags say.
type options struct {
	kafka            kafka.Config
	bucket, endpoint string
	dir, prefix, job string
	timeField, codec string
	hour, lateness   time.Duration
	commit, shutdown time.Duration
	session          time.Duration
	memory           int64
	tls              bool
	ca, sasl, user   string
	level            slog.Level
}

func parseFlags(args []string, out io.Writer) (*options, error) {
	o := &options{}
	var brokers, topics string
	f := flag.NewFlagSet("kafka-to-s3", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&brokers, "brokers", "localhost:9092", "addresses of some brokers, separated by commas")
	f.StringVar(&topics, "topics", "", "topics, separated by commas, with as many partitions as each other")
	f.StringVar(&o.kafka.Group, "group", "", "consumer group; default: the job's name")
	f.StringVar(&o.bucket, "bucket", "", "bucket to write to")
	f.StringVar(&o.endpoint, "endpoint", "", "URL of a store that speaks S3 but is not Amazon's")
	f.StringVar(&o.dir, "dir", "", "folder to write to, instead of a bucket")
	f.StringVar(&o.prefix, "prefix", "", "begin all names with this; it ends with a slash")
	f.StringVar(&o.job, "job", "kafka-to-s3", "name of the job; all processes of a job have the same")
	f.StringVar(&o.timeField, "time", "", "JSON field with the event time: RFC 3339, or Unix seconds or milliseconds; default: Kafka's timestamp")
	f.StringVar(&o.codec, "codec", "zstd", "zstd, gzip or none")
	f.DurationVar(&o.hour, "hour", time.Hour, "length of a folder's time; fixed by the first run")
	f.DurationVar(&o.lateness, "lateness", 15*time.Minute, "how late an event may be")
	f.DurationVar(&o.commit, "commit", time.Minute, "time between two commits")
	f.DurationVar(&o.shutdown, "shutdown", 20*time.Second, "time for the last commit")
	f.DurationVar(&o.session, "session", 10*time.Second, "time after which a silent process loses its partitions")
	f.Int64Var(&o.memory, "memory", 0, "bytes in flight and buffered; default: 512 MiB, or a quarter of GOMEMLIMIT")
	f.BoolVar(&o.tls, "tls", false, "speak TLS with Kafka")
	f.StringVar(&o.ca, "ca", "", "file with the certificates to trust, instead of the system's")
	f.StringVar(&o.sasl, "sasl", "", "scram-sha-256, scram-sha-512 or plain; the password is in $KAFKA_PASSWORD")
	f.StringVar(&o.user, "user", "", "user for -sasl")
	f.TextVar(&o.level, "log", slog.LevelInfo, "debug, info, warn or error")
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	o.kafka.Brokers, o.kafka.Topics = list(brokers), list(topics)
	if o.kafka.Group == "" {
		o.kafka.Group = o.job
	}
	var errs []error
	if len(o.kafka.Topics) == 0 {
		errs = append(errs, errors.New("-topics is missing"))
	}
	if (o.bucket == "") == (o.dir == "") {
		errs = append(errs, errors.New("one of -bucket and -dir is needed"))
	}
	if _, ok := codecs[o.codec]; !ok {
		errs = append(errs, fmt.Errorf("-codec %s is not known", o.codec))
	}
	for _, t := range o.kafka.Topics {
		if strings.HasPrefix(t, "^") {
			errs = append(errs, fmt.Errorf("-topics %s: each topic is a flow here, so name them", t))
		}
	}
	return o, errors.Join(errs...)
}

func list(s string) (out []string) {
	for _, v := range strings.Split(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// source are the options of the Kafka source.
func (o *options) source(log *slog.Logger) (*kafka.Options, error) {
	k := &kafka.Options{ClientID: o.job, SessionTimeout: o.session, Logger: log}
	if o.tls || o.ca != "" {
		k.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		k.TLS.RootCAs = x509.NewCertPool()
		if !k.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", o.ca)
		}
	}
	password := os.Getenv("KAFKA_PASSWORD")
	switch o.sasl {
	case "":
	case "scram-sha-256":
		k.SASL = kafka.SCRAM256(o.user, password)
	case "scram-sha-512":
		k.SASL = kafka.SCRAM512(o.user, password)
	case "plain":
		k.SASL = kafka.Plain(o.user, password)
	default:
		return nil, fmt.Errorf("-sasl %s is not known", o.sasl)
	}
	return k, nil
}

// store opens the bucket or the folder.
func (o *options) store(ctx context.Context, log *slog.Logger) (sink.Store, error) {
	if o.dir != "" {
		return file.Open(o.dir, nil)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s3.Open(ctx, cfg, o.bucket, &s3.Options{Endpoint: o.endpoint, PathStyle: o.endpoint != "", Logger: log})
}
