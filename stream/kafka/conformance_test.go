package kafka_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Each source is alone in a group of its own, so that it is assigned all lanes.
func TestConformance(t *testing.T) {
	w := onKafka(t)
	var groups atomic.Int64
	for name, o := range map[string]*kafka.Options{
		"one topic, large answers": {}, "small answers": {FetchBytes: 1}, "two topics in a lane": {}, "separate lanes": {Separate: true},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			topics := []string{w.topic(3, "retention.ms", "-1")} // the suite asks for a warm-up of a century
			if name == "two topics in a lane" || o.Separate {
				topics = append(topics, w.topic(3, "retention.ms", "-1"))
			}
			for _, topic := range topics {
				for part := range int32(3) {
					for i, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionZSTD, sarama.CompressionGZIP} {
						w.produce(topic, part, i*20, i*20+20, func(c *sarama.Config) { c.Producer.Compression = codec })
					}
				}
			}
			streamtest.RunSource(t, func(t *testing.T) driver.Source {
				group := topics[0] + "-" + strconv.FormatInt(groups.Add(1), 10)
				s, err := kafka.Open(t.Context(), kafka.Config{Brokers: w.brokers, Group: group, Topics: topics}, o)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
