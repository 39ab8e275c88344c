package kafka

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/limits"
)

// Corrupt says what happens at a batch that cannot be decoded: its checksum is wrong, it decompresses to more than
// Options.MaxBatch, its codec is unknown.
type Corrupt int

const (
	// Halt stops the partition before the batch. The rest goes on; Health tells partition and offset.
	Halt Corrupt = iota

	// DeadLetter sends the bytes of the batch to the dead-letter flow, as one record, and goes on after it.
	DeadLetter

	// Stop makes Poll fail with a CorruptError.
	Stop
)

// Options are the optional settings of a Source; nil means all defaults.
type Options struct {
	// ClientID names the program in the broker's logs and quotas.
	//
	// Defaults to "onceflow".
	ClientID string

	// Rack is where this process runs; brokers that know racks then name the nearest replica to read from.
	Rack string

	// TLS switches TLS on. Versions before 1.2 are never spoken, and certificates are always verified.
	TLS *tls.Config

	// SASL is how to authenticate. Mechanisms that send a secret as it is, PLAIN and OAUTHBEARER, need TLS.
	SASL *SASL

	// AllowPlaintextSecrets permits those mechanisms without TLS, for tests and trusted networks.
	AllowPlaintextSecrets bool

	// Separate makes each partition a lane of its own. Records of different topics then never meet in a stage, and
	// topics may have different numbers of partitions.
	Separate bool

	// AssumeComplete does not ask whether topics are compacted, for clusters that do not let us read topics' settings. If
	// compaction then removes records of a lane that holds or claims records, it may be noticed late.
	AssumeComplete bool

	// SessionTimeout is how long a process may be silent before the group gives its lanes to others.
	//
	// Defaults to 10 seconds.
	SessionTimeout time.Duration

	// RebalanceTimeout is how long a rebalance waits for a process to commit and let go of its lanes.
	//
	// Defaults to 30 seconds.
	RebalanceTimeout time.Duration

	// FetchBytes is how much a broker may send of a partition in one answer.
	//
	// Defaults to 1 MiB.
	FetchBytes int32

	// Buffer is how many bytes of records may wait or be in use. A little more may be, since the size of a batch is known
	// only after it is decompressed.
	//
	// Defaults to 64 MiB.
	Buffer int64

	// MaxBatch is what one batch of a producer may decompress to.
	//
	// Defaults to 64 MiB.
	MaxBatch int

	// Corrupt says what happens at a batch that cannot be decoded. Defaults to Halt.
	Corrupt Corrupt

	// Skew is how much newer than its Kafka timestamp the event time of a record may be. It widens warm-ups.
	//
	// Defaults to 1 hour.
	Skew time.Duration

	// Refresh is how often to look for new topics and partitions, and for topics made again.
	//
	// Defaults to 10 seconds.
	Refresh time.Duration

	// Timeout bounds each request to a broker, beyond the time it is allowed to wait.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration

	// Stall is how long a partition, or the membership in the group, may fail to make progress before Health reports it.
	//
	// Defaults to 1 minute.
	Stall time.Duration

	// GiveUp is how long a stall may last before Poll fails with a StallError, so that the process is started anew.
	//
	// Defaults to 10 minutes. -1 disables.
	GiveUp time.Duration

	// Logger gets a line for each change of lanes, leader and health. Defaults to discarding.
	Logger *slog.Logger
}

// fill returns a copy with defaults, or all that is wrong.
func (o *Options) fill() (*Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.ClientID = cmp.Or(f.ClientID, "onceflow")
	f.SessionTimeout = cmp.Or(f.SessionTimeout, 10*time.Second)
	f.RebalanceTimeout = cmp.Or(f.RebalanceTimeout, 30*time.Second)
	f.FetchBytes = cmp.Or(f.FetchBytes, 1<<20)
	f.MaxBatch = cmp.Or(f.MaxBatch, 64<<20)
	common := limits.Set{
		Buffer: &f.Buffer, Skew: &f.Skew, Refresh: &f.Refresh, Timeout: &f.Timeout, Stall: &f.Stall, GiveUp: &f.GiveUp, Logger: &f.Logger,
	}
	errs := []error{
		common.Fill(10 * time.Second), limits.NotNegative("SessionTimeout", f.SessionTimeout), limits.NotNegative("RebalanceTimeout", f.RebalanceTimeout),
		limits.NotNegative("FetchBytes", f.FetchBytes), limits.NotNegative("MaxBatch", f.MaxBatch),
	}
	if len(f.ClientID) > 249 {
		errs = append(errs, errors.New("ClientID is longer than 249 bytes"))
	}
	if f.Corrupt < Halt || f.Corrupt > Stop {
		errs = append(errs, fmt.Errorf("Corrupt is %d", f.Corrupt))
	}
	var err error
	f.TLS, err = strictTLS(f.TLS)
	errs = append(errs, err)
	if f.SASL != nil && f.SASL.bare && f.TLS == nil && !f.AllowPlaintextSecrets {
		errs = append(errs, fmt.Errorf("SASL %s sends a secret as it is and needs TLS; AllowPlaintextSecrets permits it without", f.SASL.mechanism))
	}
	if f.SASL != nil && f.SASL.secret != nil && f.SASL.mechanism != sarama.SASLTypeSCRAMSHA256 && f.SASL.mechanism != sarama.SASLTypeSCRAMSHA512 {
		errs = append(errs, fmt.Errorf("SASL %s cannot ask for its password at every connection: SCRAM can", f.SASL.mechanism))
	}
	return &f, errors.Join(errs...)
}

// strictTLS returns a copy that speaks TLS 1.2 or newer and verifies.
func strictTLS(c *tls.Config) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.InsecureSkipVerify && c.VerifyConnection == nil && c.VerifyPeerCertificate == nil {
		return nil, errors.New("TLS.InsecureSkipVerify is set without a verification of your own; set RootCAs instead")
	}
	if c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12 {
		return nil, errors.New("TLS.MaxVersion is below 1.2")
	}
	return c, nil
}
