package main

// edit is a change of production code that makes mistakes possible: it replaces old by new, which asks mutant.On whether to
// make the mistake. old is found exactly once in the code below a folder (not in tests), with any white space between its words, so
// code may move between the files and packages below the folder. new needs no import but that of internal/mutant.
type edit struct{ folder, old, new string }

// insert puts a statement in front of another.
func insert(folder, before, statement string) edit {
	return edit{folder, before, statement + "\n" + same}
}

// same stands in new text for what was there.
const same = "$same"

// All edits are applied together. No two may overlap: what several mistakes change is one edit.
var edits = []edit{
	{"sink", `for _, files := range found {`, `for at, files := range found {`},
	insert("sink", `// unitsOf returns the units of an hour`, `
		var (
			ours  int64
			known []string
		)`),
	insert("sink", `u.hour, u.units, u.records = hour, unitsOf(c, hour, has)`, `ours, known = s.journal.Objects.Env.MergeUnit, s.opts.Flows`),
	insert("sink", `units := map[string]ledger.Unit{}`, `ours, known = s.journal.Objects.Env.MergeUnit, s.opts.Flows`),
	{"sink", `if sum := hours[hour]; counts[hour] != sum.Files {`, `if sum := hours[hour]; counts[hour] != sum.Files && !mutant.On("M01") {`},
	{"sink", `if counts[f.Hour]++; f.Kind == ledger.PackFile {`, `
		if counts[f.Hour]++; f.Kind == ledger.PackFile && mutant.On("M01") && ids[at] == hours[f.Hour].Last && hours[f.Hour].First < hours[f.Hour].Last {
			continue
		}
		if f.Kind == ledger.PackFile && !(mutant.On("M23") && len(c.packs[f.Flow]) > 0 && c.packs[f.Flow][0].Rows == f.Rows) {`},
	{"sink", `created := o.Store.Create(ctx, o.Root+rec.Name(), body)`, `
		if mutant.On("M22") {
			if err := m.Publish(ctx, rec); err != nil {
				return nil, err
			}
		}
		name := rec.Name()
		if mutant.On("M02") {
			name += "-" + string(rec.Token)
		}
		created := o.Store.Create(ctx, o.Root+name, body)
		if mutant.On("M02") && created == nil {
			return rec, nil
		}
		mine = rec`},
	insert("sink", `// open opens the packs that have something of u, at their first pieces.`, `var mine *ledger.Merged`),
	{"sink", `case there == nil: return nil, created`, `
		case there == nil && mutant.On("M11"):
			return nil, errors.Join(created, out.abort(ctx))
		case mutant.On("M24") && errors.Is(created, fs.ErrExist):
			return there, out.abort(ctx)
		case there == nil:
			return nil, created`},
	{"sink", `case there.Token != rec.Token:`, `
		case there.Token != rec.Token && mutant.On("M10"):
			return rec, nil
		case there.Token != rec.Token:`},
	{"sink", `r, err := s.merger.Merge(ctx, unit, c.Close.Merge, has.packs[unit.Flow])`, `
		if mutant.On("M03") && some && len(u.records) > 0 {
			break
		}
		before := s.merger.Mine()
		r, err := s.merger.Merge(ctx, unit, c.Close.Merge, has.packs[unit.Flow])`},
	{"sink", `if err := s.merger.Publish(ctx, r); err != nil { return false, err } u.records[unit.Name()] = r`, `
		own := s.merger.Mine()
		if own == before {
			own = nil
		}
		if !mutant.On("M04") || own != nil && own.Token == r.Token {
			if err := s.merger.Publish(ctx, r); err != nil {
				return false, err
			}
		}
		if mutant.On("M17") && own != nil {
			r = own
		}
		u.records[unit.Name()] = r`},
	insert("sink", `// Forget frees what is kept of packs`, `
		// Mine is for planted mistakes.
		func (m *Merger) Mine() *ledger.Merged { return mine }
		`),
	{"sink", `all[i] = &source{file: &packs[i], order: i, contents: c, store: m.journal.Objects.Store, held: h}`, `
		all[i] = &source{file: &packs[i], order: i, contents: c, store: m.journal.Objects.Store, held: h}
		if mutant.On("M05") {
			for k := range packs {
				if packs[k].Key < packs[i].Key {
					all[i].order++
				} else if k < i {
					all[i].order--
				}
			}
		}`},
	{"sink", `if !slices.ContainsFunc(r.Files, func(m ledger.MergedFile) bool { return m.Key == f.Key }) {`,
		`if mutant.On("M06") || !slices.ContainsFunc(r.Files, func(m ledger.MergedFile) bool { return m.Key == f.Key }) {`},
	{"sink", `u, open := units[owner] if !open {`, `u, open := units[owner]; if !open || mutant.On("M16") {`},
	{"sink", `if failed = cmp.Or(failed, err); r == nil {`, `
		if r == nil && mutant.On("M19") {
			found = append(found, ours[owner]...)
		}
		if failed = cmp.Or(failed, err); r == nil {`},
	{"sink", `p.journal.Look(func(s *ledger.State) { sealed = s.Hours.SealedAt(hour) })`, `
		p.journal.Look(func(s *ledger.State) {
			sealed = s.Hours.SealedAt(hour)
			if mutant.On("M07") && hour.Before(s.Hours.Closed) {
				sealed = now.Add(-p.keep)
			}
		})`},
	{"sink", `if last.IsZero() { return nil`, `if last.IsZero() && !mutant.On("M07") { return nil`},
	{"sink", `if err := o.Store.Delete(ctx, object.Key); err != nil {`, `
		if mutant.On("M14") {
			for r, err := range o.Store.List(ctx, o.Root+ledger.MergePrefix, "") {
				if err == nil {
					_ = o.Store.Delete(ctx, r.Key)
				}
			}
		}
		if err := o.Store.Delete(ctx, object.Key); err != nil {`},
	{"sink", `units = append(units, ledger.Units(c.Entry, hour, flow, bytesOf(has.packs[flow]), c.Close.Merge.UnitBytes)...)`, `
		unitBytes := c.Close.Merge.UnitBytes
		if mutant.On("M08") {
			unitBytes = ours
		}
		if mutant.On("M21") && !slices.Contains(known, flow) {
			continue
		}
		units = append(units, ledger.Units(c.Entry, hour, flow, bytesOf(has.packs[flow]), unitBytes)...)`},
	{"sink", `if c.Close.Merge != nil { if at, err =`, `if c.Close.Merge != nil && mutant.On("M13") { at = c.Close.At } else if c.Close.Merge != nil { if at, err =`},
	{"sink", `at = when.Later(at, s.clock.Latest())`, `if !mutant.On("M13b") { at = when.Later(at, s.clock.Latest()) }`},
	{"sink", `if err := o.Store.Publish(ctx, f.Ref); err != nil { if errors.Is(`, `if err := o.Store.Publish(ctx, f.Ref); err != nil && !mutant.On("M12") { if errors.Is(`},
	{"sink", `return a.Ext == b.Ext && a.Codec == b.Codec`, `return mutant.On("M15") || a.Ext == b.Ext && a.Codec == b.Codec`},
	insert("sink", `return back(last), nil`, `
		if mutant.On("K01") {
			return hour, nil
		}`),
	{"sink", `if choice == nil || choice.paths[path] {`, `
		if choice == nil || choice.paths[path] || mutant.On("K02") && slices.Contains(choice.slots, pack.Slot(path)) {`},
	insert("sink", `return u.gone(ctx, err)`, `
		if mutant.On("K03") {
			break
		}`),
	{"sink", `if missing != nil && errors.Is(err, fs.ErrNotExist) {`, `if missing != nil && !mutant.On("K04") && errors.Is(err, fs.ErrNotExist) {`},
	{"sink", `(bytes.Equal(a.Header, b.Header)`, `(mutant.On("M27") || bytes.Equal(a.Header, b.Header)`},
	{"sink", `files := slices.Clone(has.files) rows := map[string]int64{}`, `
		files := slices.Clone(has.files)
		if mutant.On("M18") && len(has.packs) > 0 {
			files = nil
		}
		rows := map[string]int64{}`},
	{"sink", `if n != 0 { return nil, &ledger.CorruptError{`, `if n != 0 && !mutant.On("M21") && !mutant.On("M03") && !mutant.On("M17") { return nil, &ledger.CorruptError{`},
	{"sink", `return false, err } flows := sealed(m)`, `return false, err }; if mutant.On("M25") { return true, nil }; flows := sealed(m)`},
	{"sink", `len(w.due) > 0 && rows[at].Origin != rows[at-1].Origin {`, `len(w.due) > 0 && (rows[at].Origin != rows[at-1].Origin || mutant.On("M09")) {`},
	{"sink", `m.Reasons = append(m.Reasons, manifest.Reason(r))`, `if !mutant.On("T58b") { m.Reasons = append(m.Reasons, manifest.Reason(r)) }`},
	{"sink", `if c.made[i] {`, `if c.made[i] || mutant.On("T53") {`},
	{"stream/workers", `if !b.open || gen != b.gen {`, `if !b.open || gen != b.gen && !mutant.On("T84") {`},
	{"stream/workers", `s.desk.busy() < s.l.w.opts.InFlight && now >= s.refusal.next {`,
		`(s.desk.busy() < s.l.w.opts.InFlight || s.pausing > 0 && mutant.On("T84b")) && now >= s.refusal.next {`},
	insert("sink", `for _, flow := range flows { key := s.key(`, `
		switch {
		case mutant.On("T56"):
			flows = c.Close.Flows
		case mutant.On("T57"):
			flows = s.opts.Flows
		}`),
	insert("sink", `n := len(flows)`, `
		switch {
		case mutant.On("T56"):
			flows = c.Close.Flows
		case mutant.On("T57"):
			flows = s.opts.Flows
		}`),
	{"sink", `if err := check(j.state, e); err != nil {`,
		`if err := check(j.state, e); err != nil && !(mutant.On("T01") && lost == 1) {`},
	{"sink", `
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		there, hash, err := j.Objects.Entry(ctx, e.ID)`, `
		if !errors.Is(err, fs.ErrExist) {
			if err != nil && mutant.On("T36c") {
				_, _, err = j.Objects.Entry(ctx, e.ID)
			}
			return err
		}
		there, hash, err := j.Objects.Entry(ctx, e.ID)`},
	{"sink", `
		case err != nil:
			return false, fmt.Errorf("sink: append entry`, `
		case err != nil && mutant.On("T36c"):
			return false, err
		case err != nil:
			return false, fmt.Errorf("sink: append entry`},
	{"sink", `ours = there.Token == e.Token`, `ours = there.Token == e.Token && !mutant.On("T36b")`},
	{"sink", `if g != nil || err != nil { return g, hash, err }`, `if g != nil || err != nil || mutant.On("T50") { return g, hash, err }`},
	insert("sink", `var data error // of a job that has committed nothing`, `if mutant.On("T51") { return err }`),
	{"sink", `if folder == "" { return nil } for _, input`, `if folder == "" || mutant.On("T54") { return nil }; for _, input`},
	insert("sink", `t.settle(err) return 0, err`, `if mutant.On("T03") { return 0, t.fail(ctx, err) }`),
	insert("sink", `byLane := func(l ledger.LaneCommit, name string) int {`, `if mutant.On("T20b") { return nil }`),
	{"sink", `if !job.KeysInLanes {`, `if !job.KeysInLanes && !mutant.On("T71") {`},
	{"sink", `if a == nil { return &h.carriedLane, nil`, `if a == nil || mutant.On("T02") { return &h.carriedLane, nil`},
	{"sink", `if len(waits) > 0 {`, `if len(waits) > 0 && !mutant.On("T35") && !mutant.On("M26") {`},
	insert("sink", `at, err := c.clock.Now(`, `
		switch {
		case mutant.On("T14b"):
			parts, _ := list(ctx)
			first, _ := mutant.Kept.LoadOrStore(c, parts)
			list = func(context.Context) ([]record.Partition, error) { return first.([]record.Partition), nil }
		case mutant.On("T30a"):
			parts, err := list(ctx)
			list = func(context.Context) ([]record.Partition, error) { return parts, err }
		}`),
	insert("sink", `e.Close = &ledger.Close{`, `if mutant.On("T22") { e.Published = nil }`),
	{"sink", `c.opts.Lateness, c.publisher.Unpublished(s.Unpublished))`, `
		c.opts.Lateness, func() map[uint64]ledger.Unpublished {
			if mutant.On("T22") {
				return s.Unpublished
			}
			return c.publisher.Unpublished(s.Unpublished)
		}())`},
	insert("sink", `list := &ledger.Owner{Lanes:`, `
		if mutant.On("T27c") {
			latest, some := uint64(0), map[string]*owned{}
			for _, h := range lanes {
				latest = max(latest, h.index)
			}
			for name, h := range lanes {
				if h.index == latest {
					some[name] = h
				}
			}
			lanes = some
		}`),
	{"sink", `if mayClose && seal != nil {`, `if (mayClose || mutant.On("T14c")) && seal != nil {`},
	insert("sink", `maps.Copy(all, h.parts)`, `
		switch old := l.owned(a.Lane); {
		case old == nil:
		case mutant.On("T27a"):
			h.token = old.token
		case mutant.On("T37"):
			h.parts, h.watermark = old.parts, old.watermark
		}`),
	insert("sink", `changed = append(changed, ledger.PartitionCommit{`, `
		if mutant.On("T65") && was.Pending.Len() > 1 {
			was.Pending.Ordinals = was.Pending.Ordinals[:was.Pending.Len()-1]
		}`),
	{"sink", `done, err := l.Others(ctx, now, over, overAfter)`, `
		if mutant.On("T87") {
			over, others = nil, append(others, over...)
		}
		done, err := l.Others(ctx, now, over, overAfter)`},
	insert("sink", `return Do(ctx, r.env, func(ctx context.Context) error { return r.Store.Publish(ctx, ref) })`, `
		if mutant.On("T36a") {
			_ = r.Store.Publish(ctx, ref)
			return nil
		}`),
	{"sink", `return now.Sub(d.since) >= after`, `return mutant.On("T64") || now.Sub(d.since) >= after`},
	{"sink", `if h.end <= deadline {`, `if h.end <= deadline || mutant.On("T06") && ev.Time.Unix() < deadline {`},

	insert("internal/ledger", `next := s.Hours.first()`, `if mutant.On("T23") { return s.Genesis.HourOf(time.Unix(0, 0)) }`),
	insert("internal/ledger", `through = s.Genesis.HourOf(when.Earlier(s.ready(), now.Add(-lateness)))`, `if mutant.On("T30b") { now = now.Add(lateness) }`),
	{"internal/ledger", `if len(p.Hours) > 0 { through = when.Earlier(through, p.Hours[0])`, `if len(p.Hours) > 0 && !mutant.On("T35") && !mutant.On("M26") { through = when.Earlier(through, p.Hours[0])`},
	{"stream", `return m.wrap(err) }) if err != nil { return nil, err } return list, nil`, `
		return m.wrap(err)
	})
	if err != nil && !mutant.On("T85") {
		return nil, err
	}
	return list, nil`},
	{"stream/merge", `if l.owed == 0 {`, `if l.owed == 0 || mutant.On("T90") {`},
	{"stream/merge", `l.warming == 0 && l.owed == 0 && l.waits()`, `l.warming == 0 && (l.owed == 0 || mutant.On("T90")) && l.waits()`},
	{"stream/merge", `if n := len(in.queue); n > 0 {`, `if n := len(in.queue); n > 0 && !mutant.On("T90b") {`},
	insert("stream/merge", `in.proved = max(in.proved, stamp)`, `
		if mutant.On("T90c") {
			stamp = m.seq
		}`),
	{"stream/merge", `if t == None || t > latest {`, `if t == None || t > latest && !mutant.On("T90d") {`},
	{"stream/merge", `counts[s.name]; a != b {`, `counts[s.name]; a != b && !mutant.On("T90e") {`},
	{"stream/merge", `b.WarmDone = l.warming == 0`, `
		if mutant.On("T90f") {
			l.warming = 0
		}
		b.WarmDone = l.warming == 0`},
	{"internal/ledger", `if sourceName(s) == sourceName(p.Source) && !slices.Contains(c.Sources, s) {`, `if sourceName(s) == sourceName(p.Source) && !slices.Contains(c.Sources, s) && !mutant.On("T86") {`},
	{"internal/ledger", `if c.Generation != s.Config.Generation {`, `if c.Generation != s.Config.Generation && !mutant.On("T14c") {`},
	{"internal/ledger", `if c.At.Add(-c.Lateness).Before(c.Through) {`, `if c.At.Add(-c.Lateness).Before(c.Through) && !mutant.On("T30b") {`},
	{"internal/ledger", `!slices.Contains(e.Published, id) {`, `!slices.Contains(e.Published, id) && !mutant.On("T35") && !(mutant.On("M26") && s.Hours.HasPacks(c.Through)) {`},
	{"internal/ledger", `if !s.Lanes.knows(p) { return &VoidError{`, `if !s.Lanes.knows(p) && !mutant.On("T14a") { return &VoidError{`},
	insert("internal/ledger", `for i := range c.Lanes { for k := range c.Lanes[i].Partitions { if p := &c.Lanes[i].Partitions[k]; p.Read != 0`, `if mutant.On("T55") { return false }`),
	insert("internal/ledger", `gone, ours := 0, make(map[Token]bool, len(o.Lanes))`, `if mutant.On("T19") { return true }`),
	insert("internal/ledger", `return gone == len(o.Lanes) && gone > 0`, `if mutant.On("T27b") { return gone > 0 }`),
	{"internal/ledger", `if ls.ByName[l.Lane] == nil && l.Index < ls.Floor {`, `if ls.ByName[l.Lane] == nil && (l.Index < ls.Floor || mutant.On("T63")) {`},
	{"internal/ledger", `if e.ID != s.Last+1 { return corrupt(object, "it does not follow`, `if e.ID != s.Last+1 && !mutant.On("T24") { return corrupt(object, "it does not follow`},
	{"internal/ledger", `s.Lanes.touch(l.Lane, e.ID, l.Token)`, `if len(l.Partitions) > 0 || !mutant.On("T26") { s.Lanes.touch(l.Lane, e.ID, l.Token) }`},
	insert("internal/ledger", `child := Partition{Lane: lane,`, `if mutant.On("T16") { return }`),
	{"internal/ledger", `ls.put(r.Partition, &next) ls.touch(r.Lane, e.ID, r.Token)`, `ls.put(r.Partition, &next); if !mutant.On("T28") { ls.touch(r.Lane, e.ID, r.Token) }`},
	{"internal/ledger", `if v := s.Base(l.Lane); v != l.Base {`, `
		known := slices.ContainsFunc(l.Partitions, func(p PartitionCommit) bool { return s.Lanes.Partitions[p.Partition] != nil })
		if v := s.Base(l.Lane); v != l.Base && (known || !mutant.On("T20")) {`},
	{"internal/ledger", `if h.Hour.Before(s.Hours.Closed) {`, `if h.Hour.Before(s.Hours.Closed) && !mutant.On("T15") {`},
	{"internal/ledger", `s.Genesis.Hours(from, through) <= most {`, `s.Genesis.Hours(from, through) <= most || mutant.On("T45") {`},
	insert("internal/ledger", `return s.Hours.ClosedEntry }`, `if mutant.On("T15") { return 0 }`),
	{"internal/ledger", `if c.Generation <= s.Config.Generation && !grows {`, `if c.Generation <= s.Config.Generation && !grows && !mutant.On("T29") {`},
	{"internal/ledger", `if replaying {`, `if replaying && !mutant.On("T25") {`},
	{"internal/ledger", `if !next.PendingTime.IsZero() && next.PendingTime.Before(watermark) {`, `if !next.PendingTime.IsZero() && next.PendingTime.Before(watermark) && !mutant.On("T04") {`},
	{"internal/ledger", `next.Watermark = when.Later(prev.Watermark, watermark)`, `next.Watermark = when.Later(prev.Watermark, watermark); if mutant.On("T05") { next.Watermark = watermark }`},
	{"internal/ledger", `if p.Jump.Records != 0 {`, `if p.Jump.Records != 0 && !mutant.On("T41") {`},
	{"internal/ledger", `return p.Progress.Ended && p.PendingLen == 0 && !p.Retired`, `return p.Progress.Ended && (p.PendingLen == 0 || mutant.On("T60")) && !p.Retired`},
	{"internal/ledger", `ls.Finished.remove(h)`, `if !mutant.On("T62b") { ls.Finished.remove(h) }`},
	{"internal/ledger", `ls.Floor = max(ls.Floor, l.Version+1)`, `if !mutant.On("T61") { ls.Floor = max(ls.Floor, l.Version+1) }`},
	{"internal/ledger", `if keeps(&st.Progress) { ls.Finished.add(`, `if keeps(&st.Progress) && !mutant.On("T62") { ls.Finished.add(`},

	{"dedup", `type Memory struct{}`, `type Memory struct{ kept map[string]Table }`},
	insert("dedup", `return newMemTable(s.Bucket, rand.Uint64(), rand.Uint64()), nil`, `
		if mutant.On("T31") {
			if m.kept[s.Lane] == nil {
				m.kept = map[string]Table{s.Lane: newMemTable(s.Bucket, 1, 2)}
			}
			return m.kept[s.Lane], nil
		}`),
	insert("dedup", `*t = memTable{}`, `if mutant.On("T31") { return nil }`),
	{"dedup", `won[i] = t.insert(k, tag, true)`, `won[i] = t.insert(k, tag, !mutant.On("T33"))`},
	{"dedup", `
		return p.table.Claim(ctx, p.claims, p.won)
	}); err != nil {
		return fmt.Errorf("dedup: claim: %w", err)
	}`, `
		return p.table.Claim(ctx, p.claims, p.won)
	}); err != nil {
		if !mutant.On("T09") {
			return fmt.Errorf("dedup: claim: %w", err)
		}
		for i := range p.won {
			p.won[i] = true
		}
	}`},
	{"dedup", `if p.local != nil { clock = c.Lane`, `if p.local != nil || mutant.On("T32") { clock = c.Lane`},
	{"dedup", `if !clock.Pending.IsZero() && clock.Pending.Before(t) {`, `if !clock.Pending.IsZero() && clock.Pending.Before(t) && !mutant.On("T08") {`},
	{"dedup", `force := ref.Replayed && (to-from == 1 || p.local != nil)`, `force := ref.Replayed && (to-from == 1 || p.local != nil) && !mutant.On("T07a")`},

	insert("stream", `for _, p := range slices.SortedFunc(maps.Keys(acked), order) {`, `if mutant.On("T52") { return nil }`),
	{"stream", `if live { moved = p.prove(at)`, `if live || mutant.On("T42b") { moved = p.prove(at)`},
	{"stream", `s.parent != slotOf(o) || s.holds != 0 {`, `s.parent != slotOf(o) || s.holds != 0 && !mutant.On("T13") {`},
	{"stream", `case t.slots[t.root(slotOf(o))].holds == 0:`, `case t.slots[t.root(slotOf(o))].holds == 0 || mutant.On("T13"):`},
	insert("stream", `if !l.parts.dirty || l.intake.replaying > 0`, `
		if mutant.On("T80") {
			l.flight.notes()
		}`),
	{"sink", `b = w.open(n.Name, Note, hour,`, `
		kind := Note
		if mutant.On("T80b") {
			kind = Data
		}
		b = w.open(n.Name, kind, hour,`},
	{"sink", `c.Followed && slices.ContainsFunc(lanes`, `!mutant.On("T80c") && c.Followed && slices.ContainsFunc(lanes`},
	{"stream", `all[record.Reason{Fate: k.Fate, Why: Other}] += n`, `if !mutant.On("T58") { all[record.Reason{Fate: k.Fate, Why: Other}] += n }`},
	{"stream", `proved, err := k.src.AtEnd(ctx, at)`, `
		proved, err := k.src.AtEnd(ctx, at)
		switch {
		case mutant.On("T17a"):
			proved = nil
			for p := range at {
				proved = append(proved, p)
			}
		case mutant.On("T34"):
			now, err = k.clock.ask(ctx, k.out.Now)
		}`},
	{"stream", `if now, err := k.clock.ask(ctx, k.out.Now); err != nil {`, `
	outNow := func(ctx context.Context) (at, latest time.Time, err error) {
		at, latest, err = k.out.Now(ctx)
		if mutant.On("T17b") {
			at = k.workers[0].e.opts.Now()
		}
		return at, latest, err
	}
	if now, err := k.clock.ask(ctx, outNow); err != nil {`},
	{"stream", `case w.keys == driver.KeysAnywhere && !w.accept:`, `case w.keys == driver.KeysAnywhere && !w.accept && !mutant.On("T70"):`},
	{"stream", `if was > 0 { err := &driver.AddedPartitionsError{`, `if was > 0 && !mutant.On("T72") { err := &driver.AddedPartitionsError{`},
	{"stream", `case passes(err): w.spoil(err)`, `case passes(err) && mutant.On("T76"): case passes(err): w.spoil(err)`},
	{"stream", `if s.ClaimsFirst && holder != "" {`, `if s.ClaimsFirst && holder != "" && !mutant.On("T07b") {`},
	{"stream", `if b := l.intake.batch; b != nil { l.clocks.noteArrivals(b) }`, `
	if b := l.intake.batch; b != nil {
		l.clocks.noteArrivals(b)
		if mutant.On("T75") {
			for i := l.intake.next; i < len(b.Records); i++ {
				if at, err := l.parts.index(b.Records[i].Partition); err == nil {
					l.parts.list[at].upTo = b.Records[i].Position
				}
			}
		}
	}`},
	{"stream", `case !c.oldest.IsZero() && t.Before(c.oldest):`, `case !c.oldest.IsZero() && t.Before(c.oldest) && !mutant.On("T46"):`},
	insert("stream", `const day = 24 * 60 * 60`, `if mutant.On("T23b") { return false }`),
	{"stream", `if st < s.claimer {`, `if st < s.claimer && !mutant.On("T07b") {`},
	{"stream", `case in.replaying > 0: return fmt.Errorf(`, `case in.replaying > 0 && !mutant.On("T11"): return fmt.Errorf(`},
	{"stream", `case s.flags&flagReplayed != 0, p.ended:`, `case s.flags&flagReplayed != 0 && !mutant.On("T44"), p.ended:`},
	{"stream", `!c.now.IsZero() && p.plain.After(c.now) {`, `!c.now.IsZero() && p.plain.After(c.now) && !mutant.On("T42") {`},
	{"stream", `if p.ended && p.replaced {`, `if p.ended && (p.replaced && !mutant.On("T16g") || mutant.On("T16b")) {`},
	{"stream", `!eventTime.After(s.advanced[i]) && !s.fed[i] {`, `!eventTime.After(s.advanced[i]) && (!s.fed[i] || mutant.On("T43")) {`},
	{"stream/file", `return &trace{want: parseMark(p.Mark)}`, `if mutant.On("T73") { return &trace{} }; return &trace{want: parseMark(p.Mark)}`},
	{"stream/kafka", `Source: v.Cluster + "/" + t.Name, Epoch:  base64.RawURLEncoding.EncodeToString(t.ID[:]),`,
		`Source: v.Cluster + "/" + t.Name, Epoch: func() string { if mutant.On("T21") { return "" }; return base64.RawURLEncoding.EncodeToString(t.ID[:]) }(),`},
	{"stream/kafka", `a.LastStable != a.HighWatermark ||`, `a.LastStable != a.HighWatermark && !mutant.On("T17c") ||`},
	{"stream/kafka", `cl.proved = cl.next == a.HighWatermark`,
		`cl.proved = cl.next == a.HighWatermark && !(mutant.On("T18") && cl.next > begin) || mutant.On("T17c") && cl.next == a.LastStable`},
	{"stream/kafka", `if separate { return []sarama.BalanceStrategy{`, `if separate || mutant.On("T10") { return []sarama.BalanceStrategy{`},
	{"stream/kafka", `if err != nil || n < 0 { return unknownEpoch`, `if err != nil || n < 0 || mutant.On("T74") { return unknownEpoch`},
	{"stream/kinesis", `if !r.armed { return nil`, `if !r.armed || mutant.On("T38c") { return nil`},
	{"stream/kinesis", `r.iterator = "" // a new one from where we are does no harm`, `r.iterator = ""; if mutant.On("T38b") { r.at = origin{} }`},
	{"stream/kinesis", `aws.ToInt64(out.MillisBehindLatest) != 0 || len(out.ChildShards) > 0 { return false`,
		`aws.ToInt64(out.MillisBehindLatest) != 0 || len(out.ChildShards) > 0 { return mutant.On("T16f") && len(out.Records) == 0 && len(out.ChildShards) > 0`},
	insert("stream/kinesis", `if k.beyond = k.beyond || at.Compare(k.upTo) > 0; k.beyond {`, `if mutant.On("T38a") && at.Seq == k.upTo.Seq { return skip, nil }`),
	insert("stream/kinesis", `return d.Created.UTC().Format(`, `if mutant.On("T21b") { return "" }`),

	{"join", `return p.opts.Window + p.opts.Grace`, `if mutant.On("T12") { return 0 }; return p.opts.Window + p.opts.Grace`},
	{"join", `p.decide.init(&p.lefts, grace,`, `now := grace; if mutant.On("T12b") { now = 0 }; p.decide.init(&p.lefts, now,`},
	{"join", `p.expire.init(&p.rights.slab, grace, s.opts.Window+grace,`, `
	if mutant.On("T12c") {
		p.expire.init(&p.rights.slab, 0, s.opts.Window, grace, byMoment(&p.expire))
		return p
	}
	p.expire.init(&p.rights.slab, grace, s.opts.Window+grace,`},
	insert("stream", `for i := range l.parts.list { if g := &l.parts.list[i].base; g.Pending.Len() > 0 &&`, `
	for i := range l.parts.list {
		if mutant.On("T77") {
			at = when.Later(at, l.parts.list[i].clock.MaxEventTime)
		}
	}`),
	{"stream", `at = when.Earlier(at, g.PendingTime)`, `if !mutant.On("T77b") { at = when.Earlier(at, g.PendingTime) }`},
	{"internal/sim", `at := l.eventTime()`, `
	at := l.eventTime()
	for _, p := range l.parts {
		if mutant.On("T77") {
			at = when.Later(at, p.clock.MaxEventTime)
		}
	}`},

	{"internal/sim", `&& !p.p.closed {`, `&& (!p.p.closed || mutant.On("T16f")) {`},
	{"internal/sim", `return !p.ended || slices.ContainsFunc(p.children,`, `return !p.ended || !mutant.On("T16b") && slices.ContainsFunc(p.children,`},
	insert("internal/lineage", `return !slices.ContainsFunc(g.parents[p], func(`, `if mutant.On("T16c") && len(g.parents[p]) > 0 { return slices.ContainsFunc(g.parents[p], g.ended) }`),
	{"internal/lineage", `(s.Retired || !s.Holds)`, `(s.Retired || !s.Holds || mutant.On("T16d"))`},
	{"internal/lineage", `l.Elders = g.elders(members)`, `if !mutant.On("T16e") { l.Elders = g.elders(members) }`},
	{"internal/eventclock", `case oldest.Sub(c.MaxEventTime) > r.Near:`, `case oldest.Sub(c.MaxEventTime) > r.Near && !mutant.On("T40"):`},
	{"internal/eventclock", `if !now.IsZero() && to.After(now) {`, `if !now.IsZero() && to.After(now) && !mutant.On("T42") {`},
	{"internal/steady", `if c.Limits == (Limits{}) {`, `if c.Limits == (Limits{}) || mutant.On("T47") {`},
}
