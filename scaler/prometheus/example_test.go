package prometheus_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/onceflow/onceflow/scaler/prometheus"
)

// A scaler asks Prometheus for the rate of arrival and the lag. A server that answers every query with a number plays its part.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := "1200"
		if r.PostFormValue("query") == `sum(kafka_consumergroup_lag{consumergroup="etl"})` {
			value = "36000"
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,%q]}]}}`, time.Now().Unix(), value)
	}))
	defer server.Close()

	signal, err := prometheus.New(server.URL, prometheus.Queries{
		Arrival: `sum(rate(kafka_topic_partition_current_offset{topic="hits"}[2m]))`,
		Lag:     `sum(kafka_consumergroup_lag{consumergroup="etl"})`,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sample, err := signal.Read(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%g records a second arrive, %g wait\n", sample.Arrival.Number, sample.Lag.Number)
	fmt.Println("how many copies are ready is known:", sample.Ready.Known())
	// Output:
	// 1200 records a second arrive, 36000 wait
	// how many copies are ready is known: false
}
