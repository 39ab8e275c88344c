package kafka_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/kafka"
)

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{"nohost"}, Topics: []string{"a b", "^("}}, &kafka.Options{
		SASL: kafka.Plain("u", "p"), Buffer: -1, TLS: nil,
	})
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{"nohost", "Group", `"a b"`, `"^("`, "TLS", "Buffer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
}

func TestUnverifiedAndOldTLSIsRefused(t *testing.T) {
	c := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Group: "g", Topics: []string{"t"}}
	for name, conf := range map[string]*tls.Config{
		"InsecureSkipVerify": {InsecureSkipVerify: true}, "MaxVersion": {MaxVersion: tls.VersionTLS11},
	} {
		if _, err := kafka.Open(t.Context(), c, &kafka.Options{TLS: conf}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNoBrokerIsAnErrorWithinSecondsThatNamesIt(t *testing.T) {
	c := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Group: "g", Topics: []string{"t"}}
	begin := time.Now()
	_, err := kafka.Open(t.Context(), c, nil)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}

func TestABrokerThatNeverAnswersIsAnErrorWhenTheContextEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, by its backlog, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = kafka.Open(ctx, kafka.Config{Brokers: []string{l.Addr().String()}, Group: "g", Topics: []string{"t"}}, &kafka.Options{Timeout: 2 * time.Second})
	if err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}

func TestATopicThatIsNotThereIsNamed(t *testing.T) {
	w := onKafka(t)
	_, err := kafka.Open(t.Context(), kafka.Config{Brokers: w.brokers, Group: "g", Topics: []string{"no-such-topic"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "no-such-topic") {
		t.Errorf("got %v", err)
	}
}

func TestCompactedTopicsAreTold(t *testing.T) {
	w := onKafka(t)
	plain, both := w.topic(1), w.topic(1, "cleanup.policy", "compact,delete")
	if got := w.open(nil, plain, both).Info().Compacted; len(got) != 1 || got[0] != both {
		t.Errorf("got %q, want %q", got, both)
	}
}
