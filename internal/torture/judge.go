package torture

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settle stops the faults and waits until the job has caught up and has sealed all that has data.
func (w *world) settle(ctx context.Context) error {
	if err := w.rig.mend(ctx); err != nil {
		return err
	}
	if w.mend != nil {
		if err := w.mend(ctx); err != nil {
			return err
		}
	}
	if err := w.crew.replace(); err != nil {
		return err
	}
	w.crew.quiet = true
	want, newest := w.log.acknowledged(), w.log.newest()
	w.o.Say("no more faults; %d records must be there", want)
	if err := w.wait(ctx, 2*time.Minute, "all records", func() bool { return w.watch.rows() >= want }); err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error()) // judge says what is missing
		return nil
	}
	last := newest.UTC().Truncate(hour).Format("/day=2006-01-02/hour=15/minute=04")
	err := w.wait(ctx, hour+lateness+time.Minute, "the last seals", func() bool {
		w.watch.mu.Lock()
		defer w.watch.mu.Unlock()
		if w.o.Quick {
			return len(w.watch.sealed) > 0
		}
		for _, t := range w.watch.topics {
			if w.watch.sealed[t+last] == nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	for _, err := range w.crew.stopAll() {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	return nil
}

// judge compares the bucket with the log.
func (w *world) judge(ctx context.Context) error {
	w.watch.whole = time.Time{}
	w.watch.look(ctx)
	r := w.report
	for _, err := range w.crew.failed {
		r.Wrong = append(r.Wrong, err.Error())
	}
	r.Wrong = append(r.Wrong, w.watch.wrong...)
	r.Sealed, r.Refused = len(w.watch.sealed), w.crew.refused
	w.records()
	if err := w.listing(ctx); err != nil {
		return err
	}
	return w.verify(ctx)
}

// records counts each one.
func (w *world) records() {
	r, t := w.report, w.watch.tally
	for topic, records := range w.log.records {
		for n, rec := range records {
			onTime, late := t.times(topic, n)
			times := onTime + late
			switch {
			case rec.fate == acked:
				r.Records++
				if times == 0 {
					r.Lost++
				}
			case rec.fate == aborted && times > 0:
				r.Ghosts++
				r.Wrong = append(r.Wrong, fmt.Sprintf("%s:%d was aborted and is there", topic, n))
			}
			if times > 1 {
				r.Doubled++
			}
			if late == 0 {
				continue
			}
			r.Late++
			if rec.fate == acked && rec.acked.Sub(rec.at) <= lateness {
				r.EarlySeals++
				w.o.Say("%s:%d of %v was acknowledged at %v and is late", topic, n, rec.at, rec.acked)
			}
		}
	}
}

// listing compares what a listing of the bucket shows with the manifests, and sealed hours with what they were.
func (w *world) listing(ctx context.Context) error {
	r := w.report
	for _, t := range w.watch.topics {
		for _, prefix := range []string{t + "/", "late/" + t + "/"} {
			all, err := w.rig.bucket.list(ctx, prefix, "")
			if err != nil {
				return err
			}
			folders := map[string][]object{}
			for _, o := range all {
				dir := o.key[:strings.LastIndexByte(o.key, '/')]
				folders[dir] = append(folders[dir], o)
				if _, ok := w.watch.files[o.key]; !ok && !isSeal(o) {
					r.Wrong = append(r.Wrong, "no manifest names "+o.key)
				}
			}
			for folder, then := range w.watch.sealed {
				if now := folders[folder]; strings.HasPrefix(folder, prefix) && !slices.EqualFunc(then, now, sameObject) {
					r.Wrong = append(r.Wrong, fmt.Sprintf("%s was sealed with %d objects and now has %d", folder, len(then), len(now)))
				}
			}
		}
	}
	if w.o.Store != "dir" {
		return nil // MinIO lists uploads of one key only
	}
	return filepath.WalkDir(filepath.Join(w.o.Dir, "bucket", "_onceflow", ".staging"), func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			r.Wrong = append(r.Wrong, "left in staging: "+p)
		}
		return err
	})
}

func sameObject(a, b object) bool { return a.key == b.key && a.size == b.size }

// verify runs the independent checker on a copy of the bucket.
func (w *world) verify(ctx context.Context) error {
	dir := filepath.Join(w.o.Dir, "bucket")
	if w.o.Store != "dir" {
		if err := copyTo(ctx, w.rig.bucket, dir); err != nil {
			return err
		}
	}
	out, err := exec.CommandContext(ctx, "go", "run", "github.com/onceflow/onceflow/examples/verify", dir).CombinedOutput()
	if err != nil {
		w.report.Wrong = append(w.report.Wrong, fmt.Sprintf("verify: %v\n%s", err, out))
		return nil
	}
	w.o.Say("verify: %s", strings.TrimSpace(string(out)))
	if w.o.Store != "dir" && w.report.OK() {
		return os.RemoveAll(dir)
	}
	return nil
}
