package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
)

// Hit is what a browser sends: a page load, the beat that follows it, a click or a shown ad.
type Hit struct {
	ID         string     `json:"id" avro:"id"`
	Kind       string     `json:"kind"`
	PageView   string     `json:"view,omitempty"` // of a load and its beat
	At         time.Time  `json:"at" avro:"at"`
	URL        string     `json:"url,omitempty" avro:"url"`
	Agent      string     `json:"agent"`
	IP         netip.Addr `json:"ip"`
	Advertiser string     `json:"advertiser,omitempty"`
	Seconds    float64    `json:"seconds,omitempty" avro:"seconds"` // on the page, by the beat
	Country    string     `json:"country,omitempty" avro:"country"`
}

func parse(r *stream.Record) (h Hit, err error) {
	err = json.Unmarshal(r.Value, &h)
	return h, err
}

// slowed is parse at so many records a second; 0 is as fast as it can. It is for looking at the job while it works, and
// for killing it in the middle.
func slowed(parse func(*stream.Record) (Hit, error), rate int) func(*stream.Record) (Hit, error) {
	if rate <= 0 {
		return parse
	}
	var mu sync.Mutex // lanes work side by side
	var next time.Time
	return func(r *stream.Record) (Hit, error) {
		mu.Lock()
		now := time.Now()
		if next.Before(now) {
			next = now
		}
		next = next.Add(time.Second / time.Duration(rate))
		ahead := next.Sub(now)
		mu.Unlock()
		if ahead > 10*time.Millisecond {
			time.Sleep(ahead) //nolint:forbidigo // to be slow is what it is for
		}
		return parse(r)
	}
}

func (h *Hit) time() time.Time    { return h.At }
func (h *Hit) id() string         { return h.ID }
func (h *Hit) kind() string       { return h.Kind }
func (h *Hit) isLoad() bool       { return h.Kind == "load" }
func (h *Hit) wasRead() bool      { return h.Kind == "load" && h.Seconds > 0 }
func (h *Hit) advertiser() string { return h.Advertiser }
func (h *Hit) merge(beat *Hit)    { h.Seconds = beat.Seconds }
func (h *Hit) isPerson() bool     { return !strings.Contains(h.Agent, "bot") }

// view is the key of the join. Clicks and ads have none, so they pass it by.
func (h *Hit) view() string {
	if h.Kind == "load" || h.Kind == "beat" {
		return h.PageView
	}
	return ""
}

var errNoURL = errors.New("a hit without a URL")

// extract keeps the path of the URL. What it refuses goes to the dead-letter flow.
func extract(h *Hit) (Hit, error) {
	if h.URL == "" {
		return Hit{}, errNoURL
	}
	_, rest, _ := strings.Cut(h.URL, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest = rest[i:]
	}
	h.URL, _, _ = strings.Cut(rest, "?")
	return *h, nil
}

var (
	clickColumns = []string{"id", "at", "url", "country", "advertiser"}
	geoColumns   = []string{"id", "at", "country"}
)

func clickRow(r *format.Row, h *Hit) {
	r.String(h.ID)
	r.Time(h.At)
	r.String(h.URL)
	r.String(h.Country)
	r.String(h.Advertiser)
}

func geoRow(r *format.Row, h *Hit) {
	r.String(h.ID)
	r.Time(h.At)
	r.String(h.Country)
}
