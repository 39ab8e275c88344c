package kafka_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"
)

// foreigner is a member of a group that does not use this package.
type foreigner struct {
	once   sync.Once
	joined chan struct{}
}

func (f *foreigner) Setup(sarama.ConsumerGroupSession) error {
	f.once.Do(func() { close(f.joined) })
	return nil
}

func (*foreigner) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (*foreigner) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

// A group whose members share out partitions in another way is not ours: its name was taken.
func TestAGroupThatSharesInAnotherWayIsRefused(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	group := "taken-" + topic
	c := config()
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	g, err := sarama.NewConsumerGroup(w.brokers, group, c)
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	f, done := &foreigner{joined: make(chan struct{})}, make(chan error, 1)
	go func() { done <- g.Consume(ctx, []string{topic}, f) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, g.Close()); err != nil {
			t.Errorf("the other member: %v", err)
		}
	})
	<-f.joined
	r := read(t, w.openGroup(group, nil, topic))
	if err := r.failure(); !errors.Is(err, sarama.ErrInconsistentGroupProtocol) || !strings.Contains(err.Error(), group) {
		t.Errorf("got %v, want an error that names the group and says that its protocol is another", err)
	}
}
