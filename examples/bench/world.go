package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
)

// world is the servers, the set and a folder for outputs.
type world struct {
	options
	say func(string, ...any)
	set set

	kafka *servers.Kafka
	minio *servers.MinIO
	dir   string
}

const topic = "events"

// setUp starts what the variants need and produces the set.
func (w *world) setUp(ctx context.Context, vs []variant) error {
	cache, err := servers.Open()
	if err != nil {
		return err
	}
	w.set = newSet(w.events, w.span, time.Now())
	if w.dir, err = os.MkdirTemp("", "onceflow-bench-"); err != nil {
		return err
	}
	if w.profiles != "" {
		if err := os.MkdirAll(w.profiles, 0o777); err != nil {
			return err
		}
	}
	if w.kafka, err = servers.StartKafka(ctx, cache, nil); err != nil {
		return err
	}
	for _, v := range vs {
		if v.s3 && w.minio == nil {
			if w.minio, err = servers.StartMinIO(ctx, cache); err != nil {
				return err
			}
		}
	}
	begin := time.Now()
	if err := produce(w.kafka.Brokers(), topic, w.set, w.input); err != nil {
		return err
	}
	w.say("%d events produced in %.1f s", w.set.total(), time.Since(begin).Seconds())
	return nil
}

func (w *world) tearDown() {
	if w.kafka != nil {
		w.kafka.Stop()
	}
	if w.minio != nil {
		w.minio.Stop()
	}
	_ = os.RemoveAll(w.dir)
}

// measured is the outcome of a run and the size of its output.
type measured struct {
	outcome
	bytes int64
}

// smokeAll runs each variant once, several at a time.
func (w *world) smokeAll(ctx context.Context, vs []variant) error {
	errs := make([]error, len(vs))
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i := range vs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if _, err := w.one(ctx, &vs[i], i+1, false); err != nil {
				errs[i] = fmt.Errorf("%s: %w", vs[i].name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// all runs the variants in turn, as often as asked.
func (w *world) all(ctx context.Context, vs []variant) (map[string][]measured, error) {
	out := map[string][]measured{}
	for round := range w.runs {
		for i := range vs {
			m, err := w.one(ctx, &vs[i], 1+round*len(vs)+i, round == w.runs-1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", vs[i].name, err)
			}
			w.say("%d/%d %-16s %6.2f s CPU %6.2f s %5d MiB", round+1, w.runs, vs[i].name, m.CPU, m.Wall, m.Peak>>20)
			out[vs[i].name] = append(out[vs[i].name], m)
		}
	}
	return out, nil
}

// one makes a run and checks its output.
func (w *world) one(ctx context.Context, v *variant, number int, lastRun bool) (m measured, err error) {
	name := fmt.Sprintf("run-%03d", number)
	o := order{
		Variant: v.name, N: w.set.n, First: w.set.first, Span: w.set.span, Brokers: w.kafka.Brokers(), Topic: topic, Group: name, Dir: filepath.Join(w.dir, name),
		CommitEvery: w.commit,
	}
	if w.profiles != "" && lastRun {
		o.Profile = filepath.Join(w.profiles, v.name+".cpu")
	}
	list := func() ([]visible, error) { return listDir(o.Dir) }
	if v.s3 {
		b := &bucket{w.minio.Endpoint(), name}
		if _, err := b.client().CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &b.name}); err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx))) }()
		o.S3, o.Bucket = b.endpoint, b.name
		list = func() ([]visible, error) { return b.list(ctx) }
	}
	if err := os.Mkdir(o.Dir, 0o777); err != nil {
		return m, err
	}
	if !v.paths { // a file system whose inodes were just freed is slow to make files
		defer os.RemoveAll(o.Dir)
	}
	if m.outcome, err = startAll(ctx, v, o); err != nil {
		return m, err
	}
	// Processes that share the work may both read what is between their commits.
	if want := int64(w.set.total()); m.Read != want && v.instances == 0 {
		return m, fmt.Errorf("%d records were read, want %d", m.Read, want)
	}
	if !v.writes {
		return m, nil
	}
	if want := int64(w.set.copies()); m.Copies != want && v.instances == 0 {
		return m, fmt.Errorf("%d records were taken for copies, want %d", m.Copies, want)
	}
	files, err := list()
	if err != nil {
		return m, err
	}
	c := checker{set: w.set, join: v.join, split: v.split, paths: v.paths, merge: v.merge}
	m.bytes, err = c.check(files)
	return m, err
}

// startAll starts the processes of a run and adds up what they say. Of their peaks it takes the highest.
func startAll(ctx context.Context, v *variant, o order) (outcome, error) {
	if v.alone {
		before := o
		before.Prepare, before.Profile = true, ""
		read, err := start(ctx, before)
		if err != nil {
			return outcome{}, err
		}
		out, err := start(ctx, o)
		out.Read, out.Copies = read.Read, read.Copies
		return out, err
	}
	outs, errs := make([]outcome, max(1, v.instances)), make([]error, max(1, v.instances))
	var wg sync.WaitGroup
	for i := range outs {
		wg.Go(func() {
			mine := o
			if i > 0 {
				mine.Profile = ""
			}
			outs[i], errs[i] = start(ctx, mine)
		})
	}
	wg.Wait()
	sum := outs[0]
	for _, out := range outs[1:] {
		sum.Read += out.Read
		sum.Copies += out.Copies
		sum.CPU += out.CPU
		sum.Peak, sum.Wall = max(sum.Peak, out.Peak), max(sum.Wall, out.Wall)
		for k, n := range out.Requests {
			sum.Requests[k] += n
		}
	}
	return sum, errors.Join(errs...)
}
