package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// A reader that leaves records out would look fast.
func TestEachReaderReadsEachRecord(t *testing.T) {
	brokers := servertest.Kafka(t, nil).Brokers()
	const records, parts = 5000, 3
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionZSTD, sarama.CompressionLZ4} {
		topic := fmt.Sprint("t-", codec)
		if err := produce(brokers, topic, parts, records, codec); err != nil {
			t.Fatal(err)
		}
		for _, r := range readers {
			n, size, err := r.read(t.Context(), order{Brokers: brokers, Topic: topic, Parts: parts, Records: records, Reader: r.name, Group: topic + r.name})
			if err != nil || n != records || size != records*recordBytes {
				t.Errorf("%s %s: got %d records of %d bytes in all, %v, want %d of %d", codec, r.name, n, size, err, records, records*recordBytes)
			}
		}
	}
}

func TestTheTableHasMediansAndExtremes(t *testing.T) {
	var b bytes.Buffer
	run := func(cpu float64) outcome { return outcome{Records: 1e6, CPU: cpu, Wall: 2, Peak: 3 << 20} }
	table(&b, []testCase{{name: "x", order: order{Records: 1e6}, runs: []outcome{run(3), run(1), run(2)}}})
	if want := "x     2.000          1.000  3.000  3         500000     "; !bytes.Contains(b.Bytes(), []byte(want)) {
		t.Errorf("got %q, want it to contain %q", b.String(), want)
	}
}
