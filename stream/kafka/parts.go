package kafka

import (
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fetch"
	"github.com/onceflow/onceflow/stream/kafka/internal/group"
)

// access is how to connect, as filled options say.
func (o *Options) access() *cluster.Access {
	return &cluster.Access{ClientID: o.ClientID, Rack: o.Rack, TLS: o.TLS, Timeout: o.Timeout, Login: o.SASL.String(), Authenticate: o.SASL.apply}
}

// fetching is how to read.
func (o *Options) fetching(a *cluster.Access, w *watcher) *fetch.Options {
	return &fetch.Options{
		Access: a, Cluster: w.cluster, FetchBytes: o.FetchBytes, Buffer: o.Buffer, MaxBatch: o.MaxBatch,
		DeadLetters: o.Corrupt == DeadLetter, StopOnCorrupt: o.Corrupt == Stop, Skew: o.Skew, Stall: o.Stall, GiveUp: o.GiveUp, Logger: o.Logger,
		Retention: w.topics.Retention, Kick: w.wake,
	}
}

// membership is how to be a member of the group.
func (o *Options) membership(c *Config) *group.Options {
	return &group.Options{
		Name: c.Group, Brokers: c.Brokers, Separate: o.Separate,
		Rotates: o.SASL != nil && (o.SASL.secret != nil || o.SASL.token != nil), SessionTimeout: o.SessionTimeout, RebalanceTimeout: o.RebalanceTimeout, Refresh: o.Refresh, Logger: o.Logger,
	}
}
