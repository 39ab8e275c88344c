package main

import "slices"

// fold takes in the next entry and checks that it was right to write it there.
func (l *ledger) fold(what string, e *entry) {
	l.place.expect(e.Prev == l.hash, what, "the entry before it has another hash than it says: the chain is broken")
	l.place.expect(isToken(e.Token), what, "token %q", e.Token)
	other, twice := l.tokens[e.Token]
	l.place.expect(!twice, what, "entry %d has the same token", other)
	l.tokens[e.Token] = e.ID
	parts := map[string]bool{"config": e.Config != nil, "commit": e.Commit != nil, "close": e.Close != nil, "retire": e.Retire != nil, "forget": e.Forget != nil}
	for name, there := range parts {
		l.place.expect(there == (name == e.Kind), what, "kind %q with or without the part %q", e.Kind, name)
	}
	l.place.expect(e.header.is(e.ofPacks()), what, "format %d, min_reader %d: only what has to do with packs is of format 2", e.Format, e.MinReader)
	l.commits.mark(what, e)
	switch {
	case e.Kind == "config" && e.Config != nil:
		l.foldConfig(what, e.Config)
	case e.Kind == "commit" && e.Commit != nil:
		l.commits.fold(what, e)
	case e.Kind == "close" && e.Close != nil:
		l.hours.close(what, e, l)
	case e.Kind == "retire" && e.Retire != nil:
		l.lanes.retire(what, e)
	case e.Kind == "forget" && e.Forget != nil:
		l.lanes.forget(what, e, l.generation())
	case e.Kind != "mark":
		l.place.bad(what, "kind %q", e.Kind)
	}
	l.hours.seal(what, e)
}

// ofPacks tells whether only readers that know packs understand an entry.
func (e *entry) ofPacks() bool {
	pack := e.Commit != nil && slices.ContainsFunc(e.Commit.Files, func(f file) bool { return f.Kind == kindPack })
	return pack || e.Close != nil && e.Close.Merge != nil || !e.SealedAt.IsZero()
}

// foldConfig checks that a Config is of a newer generation, or of the same one with the same topics and more partitions.
func (l *ledger) foldConfig(what string, c *config) {
	was := config{}
	if l.config != nil {
		was = *l.config
	}
	sizes := map[log]int{}
	for _, g := range c.Logs {
		sizes[log{Source: g.Source, Epoch: g.Epoch}] = g.Partitions
	}
	for _, g := range was.Logs {
		is := sizes[log{Source: g.Source, Epoch: g.Epoch}]
		l.place.expect(is >= g.Partitions, what, "log %s has %d partitions, and had %d", g.Source, is, g.Partitions)
	}
	more := c.Generation == was.Generation && slices.Equal(c.Topics, was.Topics) && slices.Equal(c.Sources, was.Sources) && !slices.Equal(c.Logs, was.Logs)
	l.place.expect(c.Generation > was.Generation || more, what, "generation %d follows %d", c.Generation, was.Generation)
	l.config = c
}

// generation is that of the last config.
func (l *ledger) generation() uint64 {
	if l.config == nil {
		return 0
	}
	return l.config.Generation
}
