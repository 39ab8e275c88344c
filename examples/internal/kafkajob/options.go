package kafkajob

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

	"github.com/onceflow/onceflow/examples/internal/linejob"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kafka"
)

// Options are what the flags say.
type Options struct {
	linejob.Options

	kafka          kafka.Config
	session        time.Duration
	tls            bool
	ca, sasl, user string
}

// Parse reads the flags; more, if not nil, adds some. Its error matches flag.ErrHelp if the flags could not be read.
func Parse(program string, args []string, out io.Writer, more func(*flag.FlagSet)) (*Options, error) {
	o := &Options{}
	var brokers, topics string
	f := flag.NewFlagSet(program, flag.ContinueOnError)
	f.SetOutput(out)
	o.Register(f, "Kafka's timestamp")
	f.StringVar(&brokers, "brokers", "localhost:9092", "addresses of some brokers, separated by commas")
	f.StringVar(&topics, "topics", "", "topics, separated by commas, with as many partitions as each other")
	f.StringVar(&o.kafka.Group, "group", "", "consumer group; default: the job's name")
	f.DurationVar(&o.session, "session", 10*time.Second, "time after which a silent process loses its partitions")
	f.BoolVar(&o.tls, "tls", false, "speak TLS with Kafka")
	f.StringVar(&o.ca, "ca", "", "file with the certificates to trust, instead of the system's")
	f.StringVar(&o.sasl, "sasl", "", "scram-sha-256, scram-sha-512 or plain; the password is in $KAFKA_PASSWORD")
	f.StringVar(&o.user, "user", "", "user for -sasl")
	if more != nil {
		more(f)
	}
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	o.kafka.Brokers, o.kafka.Topics = list(brokers), list(topics)
	if o.kafka.Group == "" {
		o.kafka.Group = o.Name
	}
	return o, o.check()
}

func (o *Options) check() error {
	errs := []error{o.Check()}
	if len(o.kafka.Topics) == 0 {
		errs = append(errs, errors.New("-topics is missing"))
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

// Run is the whole job. It logs to out, and returns nil when ctx has ended and the last commit is done.
func (o *Options) Run(ctx context.Context, out io.Writer, store linejob.OpenStore) error {
	return o.Options.Run(ctx, out, o.kafka.Topics, func(ctx context.Context, log *slog.Logger) (stream.Source, error) {
		source, err := o.source(log)
		if err != nil {
			return nil, err
		}
		return kafka.Open(ctx, o.kafka, source)
	}, store)
}

// source are the options of the Kafka source.
func (o *Options) source(log *slog.Logger) (*kafka.Options, error) {
	k := &kafka.Options{ClientID: o.Name, SessionTimeout: o.session, Logger: log}
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
