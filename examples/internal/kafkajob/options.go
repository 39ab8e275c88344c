package kafkajob

import (
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

	"github.com/onceflow/onceflow/stream/kafka"
)

// Options are what the flags say.
type Options struct {
	Bucket string // to write to

	kafka            kafka.Config
	prefix, job      string
	timeField, codec string
	hour, lateness   time.Duration
	commit, shutdown time.Duration
	session          time.Duration
	memory           int64
	tls              bool
	ca, sasl, user   string
	level            slog.Level
}

// Parse reads the flags; more, if not nil, adds some. Its error matches flag.ErrHelp if the flags could not be read.
func Parse(program string, args []string, out io.Writer, more func(*flag.FlagSet)) (*Options, error) {
	o := &Options{}
	var brokers, topics string
	f := flag.NewFlagSet(program, flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&brokers, "brokers", "localhost:9092", "addresses of some brokers, separated by commas")
	f.StringVar(&topics, "topics", "", "topics, separated by commas, with as many partitions as each other")
	f.StringVar(&o.kafka.Group, "group", "", "consumer group; default: the job's name")
	f.StringVar(&o.Bucket, "bucket", "", "bucket to write to")
	f.StringVar(&o.prefix, "prefix", "", "begin all names with this; it ends with a slash")
	f.StringVar(&o.job, "job", program, "name of the job; all processes of a job have the same")
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
	if more != nil {
		more(f)
	}
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	o.kafka.Brokers, o.kafka.Topics = list(brokers), list(topics)
	if o.kafka.Group == "" {
		o.kafka.Group = o.job
	}
	return o, o.check()
}

func (o *Options) check() error {
	var errs []error
	if len(o.kafka.Topics) == 0 {
		errs = append(errs, errors.New("-topics is missing"))
	}
	if _, ok := codecs[o.codec]; !ok {
		errs = append(errs, fmt.Errorf("-codec %s is not known", o.codec))
	}
	for _, t := range o.kafka.Topics {
		if strings.HasPrefix(t, "^") {
			errs = append(errs, fmt.Errorf("-topics %s: each topic is a flow here, so name them", t))
		}
	}
	return errors.Join(errs...)
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
func (o *Options) source(log *slog.Logger) (*kafka.Options, error) {
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
