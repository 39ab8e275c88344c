package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/argocd"
	"github.com/onceflow/onceflow/scaler/calendar"
	scalerkafka "github.com/onceflow/onceflow/scaler/kafka"
	"github.com/onceflow/onceflow/scaler/prometheus"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/s3"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/enrich"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/kinesis"
	"github.com/onceflow/onceflow/stream/sample"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/window"
)

// What is required and nil was once a nil dereference, at the first record or, of a goroutine, with no line of the user in
// its trace.
func TestWhatIsNilIsToldInASentence(t *testing.T) {
	ctx := t.Context()
	type stage = stream.Stage[event, event]
	key := func(e *event) string { return e.text }
	stages := map[string]stage{
		"no stage":        nil,
		"Map":             stream.Map[event, event](nil),
		"Map(Recover)":    stream.Map(stream.Recover[event, event](nil)),
		"FlatMap":         stream.FlatMap[event, event](nil),
		"Filter":          stream.Filter[event]("odd", nil),
		"Func":            stream.Func[event, event](nil),
		"Compose":         stream.Compose[event, event, event](nil, nil),
		"ByID":            dedup.ByID[event](nil, nil, nil),
		"ByID, no ID":     dedup.ByID[event](dedup.NewMemory(nil), nil, nil),
		"Left":            join.Left[event, string](nil, nil, nil, nil),
		"Inner":           join.Inner(key, nil, nil, nil),
		"AsOf":            join.AsOf[event, string](nil, nil, nil, nil),
		"Count":           window.Count[event, string](nil, 1, time.Second, nil, nil),
		"With":            enrich.With[event, int](nil, nil),
		"With, no f":      enrich.With[event](enrich.NewTable(1), nil),
		"Keys":            sample.Keys[event](0.5, nil),
		"Limit":           sample.Limit[event](1, time.Second, nil, nil),
		"no processor":    noProcessor{},
		"a nil processor": stream.Compose[event, event, event](noProcessor{}, noProcessor{}),
	}
	output := func() stream.Output[event] { return streamtest.NewLedger[event](t).Output() }
	lines := func() *streamtest.Source {
		log := streamtest.NewLog(1)
		log.Append(0, 0, time.Now(), "2025-05-01T06:00:00Z a")
		log.EndAll()
		return log.Source(nil)
	}
	events := func(parse func(*stream.Record) (event, error)) stream.Pipe[event] {
		return stream.Via(stream.From(lines()), stream.Decode(parse, (*event).eventTime))
	}
	calls := map[string]func() error{
		"From": func() error {
			return stream.Run(ctx, stream.From(nil), streamtest.NewLedger[stream.Record](t).Output(), nil)
		},
		"Run":     func() error { return stream.Run(ctx, events(parseLine), nil, nil) },
		"Hourly":  func() error { return stream.Run(ctx, events(parseLine), seal.Hourly[event](nil, nil), nil) },
		"Decode":  func() error { return stream.Run(ctx, events(nil), output(), nil) },
		"Fields":  func() error { return stream.Run(ctx, events(file.Fields[event](file.CSV{}, nil)), output(), nil) },
		"Columns": func() error { return stream.Run(ctx, events(file.Columns[event](file.CSV{}, nil, nil)), output(), nil) },
		"DecodeMany": func() error {
			return stream.Run(ctx, stream.Via(stream.From(lines()), stream.DecodeMany[event](nil, nil)), output(), nil)
		},
		"enrich.Open": func() error { _, err := enrich.Open[int](ctx, nil, nil); return err },
		"OpenFile":    func() error { _, err := enrich.OpenFile[int](ctx, "no such file", nil, nil); return err },
		"Open, no store": func() error {
			_, err := sink.Open(ctx, nil, "job", []sink.Flow[event]{{Name: "all", Format: format.JSONLines[event]()}}, nil)
			return err
		},
		"Inspect": func() error { _, err := sink.Inspect(ctx, nil, "job", nil); return err },
		"Retire":  func() error { return sink.Retire(ctx, nil, "job", stream.Partition{}, "why", nil) },
		"Sealed":  func() error { _, err := sink.Sealed(ctx, nil, "job", time.Now(), nil); return err },
		"Committed": func() (err error) {
			for _, err = range sink.Committed(ctx, nil, "job", 0, nil) {
			}
			return err
		},
		"Hours": func() (err error) {
			for _, err = range sink.Hours(ctx, nil, "job", time.Now(), nil) {
			}
			return err
		},
		"seal.Read": func() (err error) {
			for _, err = range seal.Read(ctx, nil, "job", time.Now(), nil) {
			}
			return err
		},
		"kafka.Open":      func() error { _, err := kafka.Open(ctx, kafka.Config{}, nil); return err },
		"kinesis.Open":    func() error { _, err := kinesis.Open(ctx, kinesis.Config{}, nil); return err },
		"s3.Open":         func() error { _, err := s3.Open(ctx, aws.Config{}, "", nil); return err },
		"s3.Open, bucket": func() error { _, err := s3.Open(ctx, aws.Config{}, "bucket", nil); return err },
		"file.Open":       func() error { _, err := file.Open(file.Config{}, nil); return err },
		"sink/file.Open":  func() error { _, err := sinkfile.Open("", nil); return err },
		"prometheus.New":  func() error { _, err := prometheus.New("", prometheus.Queries{}, nil); return err },
		"scaler/kafka":    func() error { _, err := scalerkafka.Open(scalerkafka.Config{}, nil); return err },
		"OpenValues":      func() error { _, err := argocd.OpenValues(ctx, argocd.ValuesConfig{}); return err },
		"OpenApplication": func() error { _, err := argocd.OpenApplication(ctx, argocd.ApplicationConfig{}); return err },
		"calendar.New":    func() error { _, err := calendar.New(calendar.Plan{}); return err },
		"seal.Wait":       func() error { _, err := seal.Wait(ctx, nil, "job", time.Now(), nil); return err },
		"Explain":         func() error { _, err := seal.Explain(ctx, nil, "job", time.Now(), nil); return err },
		"EarliestHour":    func() error { _, err := seal.EarliestHour(ctx, nil, "job", nil); return err },
		"scaler.New":      func() error { _, err := scaler.New(nil, nil, nil); return err },
		"NewCombined": func() error {
			_, err := scaler.New(scaler.TargetFunc(nil, nil), scaler.NewCombined(nil, nil), nil)
			return err
		},
		"TargetFunc":   func() error { _, err := scaler.TargetFunc(nil, nil).Size(ctx); return err },
		"FromCounters": func() error { _, err := scaler.FromCounters(nil).Read(ctx); return err },
		"Is": func() (err error) {
			defer func() { err = fmt.Errorf("%v", recover()) }() // it has nobody to tell: a nil Where would take all
			stream.Is[event](nil, "a")
			return nil
		},
	}
	for name, s := range stages {
		calls[name] = func() error { return stream.Run(ctx, stream.Via(events(parseLine), s), output(), nil) }
	}
	for name, f := range map[string]format.Format[event]{"no Format": nil, "Lines": format.Lines[event](".txt", nil), "CSV": format.CSV[event](nil, nil, nil), "TSV": format.TSV[event](nil, nil)} {
		calls[name] = func() error {
			_, err := sink.Open(ctx, &sinktest.Memory{}, "job", []sink.Flow[event]{{Name: "all", Format: f}}, nil)
			return err
		}
	}
	for name, call := range calls {
		err := call()
		if err == nil || strings.Contains(err.Error(), "nil pointer") || len(strings.Fields(err.Error())) < 4 {
			t.Errorf("%s: %v, want a sentence", name, err)
		}
	}
}

type noProcessor struct{}

func (noProcessor) Open(*stage.Lane) (stage.Processor[event, event], error) { return nil, nil }

// All functions that are called for one record or event but those that Recover can be around. A panic of at, or of what
// DecodeMany and FlatMap call, once ended the process at each start.
func TestAPanicOfAStagesFunctionCostsItsRecordOnly(t *testing.T) {
	breaks := func(e *event) {
		if bytes.Contains([]byte(e.text), []byte(poison)) {
			panic("planted")
		}
	}
	key := func(e *event) string { breaks(e); return e.text }
	left := func(e *event) bool { breaks(e); return true }
	at := func(e *event) time.Time { breaks(e); return e.at }
	many := func(mayBreak func(*event)) func(*stream.Record, func(event)) error {
		return func(r *stream.Record, yield func(event)) error {
			e, err := parseLine(r)
			if err == nil {
				yield(e) // which a panic takes back
				mayBreak(&e)
			}
			return err
		}
	}
	same, decode := stream.Filter("all", func(*event) bool { return true }), stream.Decode(parseLine, (*event).eventTime)
	type stages struct {
		decode stream.Stage[stream.Record, event]
		then   stream.Stage[event, event]
	}
	tests := map[string]stages{
		"Decode, at":        {stream.Decode(parseLine, at), same},
		"DecodeMany, at":    {stream.DecodeMany(many(func(*event) {}), at), same},
		"DecodeMany, parse": {stream.DecodeMany(many(breaks), (*event).eventTime), same},
	}
	for name, s := range map[string]stream.Stage[event, event]{
		"Filter":       stream.Filter("odd", left),
		"ByID":         dedup.ByID(dedup.NewMemory(nil), key, &dedup.Options{Name: "ids", Window: time.Hour}),
		"Left, key":    join.Left(key, func(*event) bool { return true }, func(_, _ *event) {}, &join.Options{Window: time.Second}),
		"Left, isLeft": join.Left(func(e *event) string { return e.text }, left, func(_, _ *event) {}, &join.Options{Window: time.Second}),
		"AsOf, key":    join.AsOf(key, func(*event) bool { return true }, func(_, _ *event) {}, nil),
		"Count, key":   window.Count(key, 1, time.Second, func(e *event) event { return *e }, nil),
		"Keys":         sample.Keys(1, key),
		"Limit":        sample.Limit(100, time.Second, key, nil),
		"Is":           stream.Filter("odd", stream.IsNot(key, "")),
		"With":         enrich.With(enrich.NewTable(1), func(_ *int, e *event) error { breaks(e); return nil }),
		"FlatMap": stream.FlatMap(func(e *event, yield func(event)) error {
			yield(*e) // which the panic takes back
			breaks(e)
			return nil
		}),
	} {
		tests[name] = stages{decode, s}
	}
	for name, s := range tests {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[event](t)
		ledger.Lateness = -1
		for i := range 300 {
			text := fmt.Sprintf("2025-05-01T06:00:00Z row-%d", i)
			if i == 3 || i == 4 || i == 299 {
				text += " " + poison
			}
			log.Append(0, 0, time.Now(), text)
		}
		log.EndAll()
		p := stream.Via(stream.From(log.Source(nil)), s.decode)
		if err := stream.Run(context.WithoutCancel(t.Context()), stream.Via(p, s.then), ledger.Output(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dead := ledger.Dead()
		if rows := len(ledger.Rows()); rows != 297 || len(dead) != 3 || !strings.Contains(dead[0].Err.Error(), "planted") {
			t.Errorf("%s: %d rows and dead letters %v, want 297 and 3 that tell of the panic", name, rows, dead)
		}
	}
}

// A merge that panics may have changed the left event: both are dead letters, and pairs after it are formed.
func TestAPanicOfMergeCostsThePair(t *testing.T) {
	log, ledger := streamtest.NewLog(1), streamtest.NewLedger[event](t)
	ledger.Lateness = -1
	for _, text := range []string{"a L", "b L", "b R " + poison, "a R", "c L"} {
		log.Append(0, 0, time.Now(), "2025-05-01T06:00:00Z "+text)
	}
	log.EndAll()
	word := func(e *event, i int) string { return strings.Fields(e.text)[i] }
	s := join.Left(func(e *event) string { return word(e, 1) }, func(e *event) bool { return word(e, 2) == "L" }, func(_, right *event) {
		if strings.Contains(right.text, poison) {
			panic("planted")
		}
	}, &join.Options{Window: time.Second})
	p := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseLine, (*event).eventTime))
	if err := stream.Run(t.Context(), stream.Via(p, s), ledger.Output(), nil); err != nil {
		t.Fatal(err)
	}
	if rows, dead := len(ledger.Rows()), len(ledger.Dead()); rows != 2 || dead != 2 {
		t.Errorf("%d rows and %d dead letters, want a and c, and the two of b", rows, dead)
	}
}
