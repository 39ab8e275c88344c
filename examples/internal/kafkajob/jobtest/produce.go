package jobtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// produce writes n records to each topic, some a second or two late, over about d, and then closes done. Their hour is one
// that no test is there to see the end of, whatever the time of the day: when an hour ended meanwhile, records that a slow
// broker took long to accept were late, and so not where the test looks for them.
func produce(t *testing.T, brokers, topics []string, n int, d time.Duration) (done chan struct{}) {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks, c.Producer.Return.Successes = sarama.WaitForAll, true
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	for _, topic := range topics {
		if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	p, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	begin := time.Now()
	open := begin.Add(30 * time.Minute).Truncate(time.Hour).Add(2 * time.Second)
	go func() {
		defer close(done)
		const batch = 200
		for i := 0; i < n; i += batch {
			var ms []*sarama.ProducerMessage
			for _, topic := range topics {
				for j := i; j < min(n, i+batch); j++ {
					at := open.Add(time.Since(begin) - time.Duration(j%3)*time.Second).Format(time.RFC3339Nano)
					ms = append(ms, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(j)),
						Value: sarama.StringEncoder(fmt.Sprintf(`{"id":"%s-%d","at":%q}`, topic, j, at))})
				}
			}
			if err := p.SendMessages(ms); err != nil {
				t.Errorf("produce: %v", err)
				return
			}
			<-time.After(d * batch / time.Duration(n)) // the pace of a producer
		}
	}()
	return done
}
