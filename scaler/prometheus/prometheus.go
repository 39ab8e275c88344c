// Package prometheus reads the signals of a scaler from Prometheus, by instant queries over its HTTP API
// (https://prometheus.io/docs/prometheus/latest/querying/api/). Thanos, Mimir and VictoriaMetrics serve the same API.
//
// A query must give one number: a scalar, or a vector of one element, so write sum(...) around it. No element means that
// nothing is known, never zero; several are an error.
//
// # Age
//
// Prometheus answers for up to five minutes with the last value of a target that it cannot reach any more, and gives it the
// time of the query. So a dead exporter looks alive. Set Queries.Age to an expression for the age of the data, such as
//
//	time() - min(timestamp(etl_records_total))
//
// and the values get that age, so that the scaler ignores them once they are stale.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// Queries are PromQL expressions for the values of a sample; an empty one leaves its value unknown. For a consumer of Kafka
// they may be:
//
//	Arrival: sum(rate(kafka_topic_partition_current_offset{topic="hits"}[2m]))
//	Done:    sum(rate(kafka_consumergroup_current_offset{consumergroup="etl"}[2m]))
//	Lag:     sum(kafka_consumergroup_lag{consumergroup="etl"})
//	Busy:    avg(rate(etl_busy_seconds_total[2m]))
type Queries struct {
	Arrival    string // records a second
	Done       string // records a second, all copies together
	Lag        string // records
	Delay      string // seconds
	Busy       string // 0 to 1, mean of the copies
	Ready      string // copies
	Partitions string

	// Age is the age of all values in seconds; see the package comment. Without it they are as old as the query.
	Age string
}

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Client makes the requests; its transport can add credentials.
	//
	// Defaults to http.DefaultClient.
	Client *http.Client
}

// Signal asks a server. It is safe for concurrent use.
type Signal struct {
	endpoint string
	q        Queries
	client   *http.Client
}

// New makes a Signal of the server at a base URL, such as "http://prometheus:9090".
func New(base string, q Queries, o *Options) (*Signal, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil, fmt.Errorf("prometheus: %q is not a URL such as http://prometheus:9090", base)
	}
	s := &Signal{endpoint: u.JoinPath("api/v1/query").String(), q: q, client: http.DefaultClient}
	if o != nil && o.Client != nil {
		s.client = o.Client
	}
	if strings.Join([]string{q.Arrival, q.Done, q.Lag, q.Delay, q.Busy, q.Ready, q.Partitions}, "") == "" {
		return nil, errors.New("prometheus: there are no queries")
	}
	return s, nil
}

// Read makes the queries, one after the other, for one moment: that which Prometheus takes for now at the first, since the clock
// of this machine may be another one. Those that fail leave their values unknown; the error has all failures.
func (s *Signal) Read(ctx context.Context) (scaler.Sample, error) {
	began, at := time.Now(), moment("")
	var sample scaler.Sample
	var errs []error
	age := 0.0
	if s.q.Age != "" {
		a, known, err := s.ask(ctx, s.q.Age, &at)
		if err != nil || !known {
			return sample, fmt.Errorf("prometheus: the age of the data is not known: %w", errors.Join(err, ctx.Err()))
		}
		if !(a >= 0 && a < (100*365*24*time.Hour).Seconds()) {
			return sample, fmt.Errorf("prometheus: the age of the data is %g seconds, which says nothing", a)
		}
		age = a
	}
	measured := began.Add(-time.Duration(age * float64(time.Second)))
	for _, v := range []struct {
		query string
		into  *scaler.Value
	}{
		{s.q.Arrival, &sample.Arrival}, {s.q.Done, &sample.Done}, {s.q.Lag, &sample.Lag}, {s.q.Delay, &sample.Delay},
		{s.q.Busy, &sample.Busy}, {s.q.Ready, &sample.Ready}, {s.q.Partitions, &sample.Partitions},
	} {
		if v.query == "" {
			continue
		}
		number, known, err := s.ask(ctx, v.query, &at)
		if err != nil {
			errs = append(errs, fmt.Errorf("prometheus: %s: %w", v.query, err))
		} else if known {
			*v.into = scaler.Known(number, measured)
		}
	}
	return sample, errors.Join(errs...)
}

// reply is the API's envelope.
type reply struct {
	Status string
	Error  string
	Data   struct {
		ResultType string
		Result     json.RawMessage
	}
}

// point is [time, "number"].
type point [2]any

func (p point) number() (float64, error) {
	text, ok := p[1].(string)
	if !ok {
		return 0, fmt.Errorf("%v is not a number", p[1])
	}
	return strconv.ParseFloat(text, 64) // the API writes NaN and +Inf as ParseFloat reads them; the scaler ignores both
}

// longestReply bounds what is read of a reply: one number does not need more.
const longestReply = 1 << 20

// moment is a time as the API writes it; empty is now, by Prometheus's clock.
type moment string

// ask makes one query, for at, and sets at if it was empty; known is false if its result is empty.
func (s *Signal) ask(ctx context.Context, query string, at *moment) (number float64, known bool, err error) {
	form := url.Values{"query": {query}}
	if *at != "" {
		form.Set("time", string(*at))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err != nil {
		return 0, false, err
	}
	var r reply
	if err := json.Unmarshal(body, &r); err != nil {
		return 0, false, fmt.Errorf("%s: not a reply of Prometheus: %w", resp.Status, err)
	}
	if r.Status != "success" {
		return 0, false, fmt.Errorf("%s: %s", resp.Status, r.Error)
	}
	p, known, err := r.one()
	if err != nil || !known {
		return 0, false, err
	}
	if t, ok := p[0].(float64); ok && *at == "" {
		*at = moment(strconv.FormatFloat(t, 'f', 3, 64))
	}
	number, err = p.number()
	return number, err == nil, err
}

// one is the single point of a reply.
func (r *reply) one() (p point, known bool, err error) {
	switch r.Data.ResultType {
	case "scalar":
		err = json.Unmarshal(r.Data.Result, &p)
	case "vector":
		var elements []struct{ Value point }
		err = json.Unmarshal(r.Data.Result, &elements)
		if err == nil && len(elements) == 0 {
			return p, false, nil
		}
		if err == nil && len(elements) > 1 {
			return p, false, fmt.Errorf("gives %d numbers; write sum(...) around it", len(elements))
		}
		if err == nil {
			p = elements[0].Value
		}
	default:
		return p, false, fmt.Errorf("gives a %s, not a number", r.Data.ResultType)
	}
	return p, err == nil, err
}
