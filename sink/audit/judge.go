package audit

import "time"

// judge says what a batch is.
type judge struct {
	now time.Time // the clock of the batches' store
	progress
	opts *Options
}

// mostRuns bounds Finding.Missing.
const mostRuns = 1000

// due reports whether lines that were sent at a time must have been read.
func (j *judge) due(sent time.Time) bool {
	deadline := sent.Add(j.opts.Deadline)
	return !j.now.Before(deadline) && !j.reached.Before(deadline)
}

// finding says what a batch is, and adds it to the sum. came are the lines that came, dead or not.
func (j *judge) finding(id ID, b *tallied, sum *Sum) (f Finding, came lineSet) {
	lines := int(b.lines)
	f = Finding{ID: id, Lines: lines, Repairs: int(b.repairs)}
	f.Came = b.came.count(MaxLines)
	f.Dead = b.dead.count(MaxLines)
	say := func(is bool, w Word) {
		if is {
			f.Words = append(f.Words, w)
		}
	}
	if lines > 0 {
		came = b.came
		if f.Dead > 0 { // one that never came to the stage, too
			came = append(lineSet{}, b.came...)
			came.unite(b.dead)
		}
		here := came.count(lines)
		sum.Batches, sum.Lines, sum.Came, sum.Dead = sum.Batches+1, sum.Lines+int64(lines), sum.Came+int64(here), sum.Dead+int64(b.dead.count(lines))
		if here == lines {
			say(true, Complete)
		} else {
			j.incomplete(&f, b, came, sum)
		}
		b.beyond = b.beyond || b.came.count(MaxLines) > b.came.count(lines) || f.Dead > b.dead.count(lines)
	}
	say(b.sent, Repaired)
	say(b.late, AfterClose)
	say(f.Dead > 0, Dead)
	// What is younger may not be registered yet, and of what is older the registration may have been deleted.
	old := !j.now.Before(id.Time().Add(j.opts.Deadline)) && j.now.Before(id.Time().Add(j.opts.Keep-min(time.Hour, j.opts.Keep/4)))
	say(old && lines == 0 && (f.Came > 0 || f.Dead > 0 || b.beyond), Unknown)
	say(b.beyond, Beyond)
	say(b.twice, Twice)
	say(f.Has(Incomplete) && !b.kept, Gone)
	say(old && lines == 0 && b.kept && !f.Has(Unknown), Abandoned)
	for _, w := range f.Words {
		sum.Words[w]++
	}
	return f, came
}

func (j *judge) incomplete(f *Finding, b *tallied, came lineSet, sum *Sum) {
	until := f.ID.Time().Add(j.opts.Keep)
	f.Missing, f.Left = came.missing(f.Lines, mostRuns), until.Sub(j.now)
	sum.until(until)
	if j.due(f.ID.Time()) {
		f.Words = append(f.Words, Incomplete)
		sum.Missing += int64(f.Lines - came.count(f.Lines))
		if j.closed.After(time.UnixMilli(b.oldest)) {
			f.Words = append(f.Words, Late)
		}
	} else {
		f.Words = append(f.Words, Waiting)
	}
	switch { // also while it waits: a job that stands for too long loses what it has not read
	case f.Left <= 0:
		f.Words = append(f.Words, Expired)
	case f.Left < j.opts.Keep/4:
		f.Words = append(f.Words, Expiring)
	}
}
