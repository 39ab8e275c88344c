package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
)

const (
	partitions = 4
	// Loads and beats are at most this late, so that a pair never depends on luck: see join.Options.Grace.
	pairDelay = 8 * time.Second
)

// line is a record and when it arrives.
type line struct {
	arrival time.Time
	text    []byte
	of      string // page view or ID of the row that needs it, if any
}

// maker makes the traffic of one partition after the other.
type maker struct {
	rnd    *rand.Rand
	start  time.Time
	span   time.Duration // of event time
	window time.Duration // of the join
	delay  time.Duration // hits that meet nobody are up to this late, within the seals' lateness
	tardy  time.Duration // a beat that misses the window does so by up to this
	live   bool
	tail   time.Duration // after span, in which clicks and ads go on and move the clock
	truth  *Truth
	flows  []sink.Flow[Hit]
	lines  []line
	n      int
	err    error
}

const truthFile = "_truth.json" // the source leaves out names that begin with an underscore

// makeTraffic writes the traffic and its truth, unless they are there. They appear whole or not at all.
func makeTraffic(o *options, flows []sink.Flow[Hit]) (*Truth, error) {
	if b, err := os.ReadFile(filepath.Join(o.traffic, truthFile)); err == nil {
		var t Truth
		return &t, json.Unmarshal(b, &t)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	start := time.Date(2025, 5, 1, 5, 50, 0, 0, time.UTC)
	if o.kafka != "" { // a topic's hours close by the clock as well, so they must not be years ago
		start = time.Now().UTC().Truncate(time.Hour).Add(-4*time.Hour - 10*time.Minute)
	}
	m := newMaker(o, flows, start)
	m.span, m.delay, m.tardy = 150*time.Minute, 2*time.Minute, 5*time.Minute // over two or three borders of hours
	m.truth.LastHour = start.Add(m.span + 100*time.Second).Truncate(time.Hour)
	tmp := o.traffic + ".new"
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o777)); err != nil {
		return nil, err
	}
	for p := range partitions {
		m.partition(o.events/partitions, p)
		if err := m.write(filepath.Join(tmp, fileOf(p))); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(m.truth)
	if err != nil {
		return nil, err
	}
	return m.truth, errors.Join(os.WriteFile(filepath.Join(tmp, truthFile), b, 0o666), os.Rename(tmp, o.traffic))
}

func newMaker(o *options, flows []sink.Flow[Hit], start time.Time) *maker {
	return &maker{
		rnd: rand.New(rand.NewPCG(o.seed, 1)), start: start, window: o.window, flows: flows,
		truth: &Truth{Name: fmt.Sprintf("%d-%d-%d", o.seed, o.events, start.Unix()), Rows: map[string]int64{}},
	}
}

func fileOf(partition int) string { return fmt.Sprintf("hits-%d.ndjson", partition) }

// partition makes the lines of one partition, in the order of their arrival.
func (m *maker) partition(events, p int) {
	m.lines = m.lines[:0]
	for len(m.lines) < events {
		m.step(p)
	}
	// The last hour begins in each partition, so that the truth knows which it is.
	last := m.hit("click", m.start.Add(m.span+max(m.window, m.tail)), p)
	m.truth.count(m.flows, last, 0)
	m.add(last, last.At, last.ID)
	slices.SortStableFunc(m.lines, func(a, b line) int { return cmp.Or(a.arrival.Compare(b.arrival)) })
}

func (m *maker) write(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, l := range m.lines {
		w.Write(l.text) // its first error is what Flush returns
		w.WriteByte('\n')
	}
	return errors.Join(m.err, w.Flush(), f.Close())
}

// step makes what one visitor does at some time: a page view with or without a beat, a click, an ad, or trouble.
func (m *maker) step(p int) {
	at := m.start.Add(time.Duration(m.rnd.Int64N(int64(m.span)))).Truncate(time.Millisecond)
	x := m.rnd.IntN(1000)
	if x >= 600 && m.tail > 0 {
		at = m.start.Add(time.Duration(m.rnd.Int64N(int64(m.span + m.tail)))).Truncate(time.Millisecond)
	}
	switch {
	case x < 600:
		m.view(at, p)
	case x < 850:
		m.single("click", at, p, m.late(m.delay))
	case x < 985:
		m.single("ad", at, p, m.late(m.delay))
	case x < 995 && !m.live: // a straggler: its hour has been closed for long, or not, as commits happened to be cut
		m.truth.Stragglers += m.single("click", at, p, 40*time.Minute+m.late(m.delay))
	case x < 998:
		m.truth.Counts[stream.Dead]++
		m.lines = append(m.lines, line{at, fmt.Appendf(nil, `{"id":"broken-%d","at":`, m.n), ""})
	default:
		h := m.hit("click", at, p)
		h.URL = ""
		m.truth.Counts[stream.Dead]++
		m.add(h, at, "")
	}
}

func (m *maker) hit(kind string, at time.Time, p int) *Hit {
	m.n++
	h := &Hit{
		ID: fmt.Sprintf("%d-%d", p, m.n), Kind: kind, At: at, Agent: "Mozilla/5.0",
		URL: fmt.Sprintf("https://news.example/story/%d?from=feed", m.rnd.IntN(500)),
		IP:  netip.AddrFrom4([4]byte{byte(m.rnd.Uint32()), byte(m.rnd.Uint32()), byte(m.rnd.Uint32()), 1}),
	}
	if m.rnd.IntN(20) == 0 {
		h.Agent = "newsbot/1.0"
	}
	if kind == "ad" {
		h.Advertiser = []string{"acme", "Ünïted", "a/b", "..", "globex 2"}[m.rnd.IntN(5)]
	}
	return h
}

func (m *maker) late(most time.Duration) time.Duration {
	return time.Duration(m.rnd.Int64N(int64(most)))
}

// single makes a hit that meets nobody, and returns 1 if it is a person's.
func (m *maker) single(kind string, at time.Time, p int, late time.Duration) int64 {
	h := m.hit(kind, at, p)
	m.truth.count(m.flows, h, 0)
	m.add(h, at.Add(late), h.ID)
	if h.isPerson() {
		return 1
	}
	return 0
}

// view makes a load, and mostly a beat: in time, on the border, a little before its load, or too late.
func (m *maker) view(at time.Time, p int) {
	load := m.hit("load", at, p)
	load.PageView = "v" + load.ID
	after := time.Duration(-1)
	switch x := m.rnd.IntN(100); {
	case x < 70:
		after = time.Duration(m.rnd.Int64N(int64(m.window))).Truncate(time.Millisecond)
	case x < 75:
		after = m.window
	case x < 78:
		after = -3 * time.Second
	case x < 85:
		after = m.window + time.Millisecond + m.late(m.tardy).Truncate(time.Millisecond)
	}
	seconds := 0.0
	if after != -1 {
		beat := m.hit("beat", at.Add(after), p)
		beat.PageView, beat.Agent, beat.Seconds = load.PageView, load.Agent, max(after.Seconds(), 0.5)
		of := ""
		if after <= m.window {
			of = load.PageView
			seconds = beat.Seconds
			m.truth.Counts[stream.Merged]++
		} else {
			m.truth.Counts[stream.Filtered]++ // nobody waits for it any more
		}
		m.add(beat, beat.At.Add(m.late(pairDelay)), of)
	}
	m.add(load, at.Add(m.late(pairDelay)), load.PageView)
	m.truth.count(m.flows, load, seconds)
}

// add writes a hit, and one in 50 twice: browsers send again what they think was lost. of says which row needs it.
func (m *maker) add(h *Hit, arrival time.Time, of string) {
	c := *h
	if c.Kind != "beat" {
		c.Seconds = 0
	}
	text, err := json.Marshal(&c)
	m.err = errors.Join(m.err, err)
	m.lines = append(m.lines, line{arrival, text, of})
	if h.URL != "" && m.rnd.IntN(50) == 0 {
		m.truth.Counts[stream.Duplicate]++
		m.lines = append(m.lines, line{arrival.Add(m.late(pairDelay)), text, ""})
	}
}
