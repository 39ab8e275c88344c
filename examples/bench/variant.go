package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// run is one run of a variant, in its own process.
type run struct {
	variant
	set     set
	from    input
	dir     string // to write to, empty
	bucket  *bucket
	commit  time.Duration
	prepare bool      // all that comes before what is measured
	asked   *requests // of the store; nil if they are not counted
}

// input is where the events are.
type input struct {
	brokers []string
	topic   string
	group   string // fresh
}

func (r *run) total() int64 { return int64(r.set.total()) }

// outcome is what a run says of itself. Its CPU and memory are measured at its end.
type outcome struct {
	Read, Copies int64
	Allocs       float64 // per event in steady state; 0 if not measured
	CPU          float64 // seconds
	Peak         int64   // bytes
	Wall         float64 // seconds
	Requests     map[string]int64
}

// variant is a way to do the work, or a part of it.
type variant struct {
	name        string
	compression string
	s3          bool
	join, split bool // the 90-second join; a flow for each type
	paths       bool // a file for each tenant and hour, all in one transaction; runs only if asked for by name
	merge       bool // with paths: packs, merged before the seal
	alone       bool // with merge: packs were written by another process, and no record is read
	instances   int  // processes that share the work; 0 is one
	memory      int64
	writes      bool // the whole output, to be checked
	do          func(*run, context.Context) (outcome, error)
}

func variants() []variant {
	floor := func(r *run, _ context.Context) (outcome, error) { return r.floor() }
	vs := []variant{
		{name: "raw", do: func(r *run, _ context.Context) (outcome, error) { return r.raw() }},
		{name: "source", do: (*run).client},
		{name: "engine", do: (*run).own},
	}
	for _, c := range []string{"zstd", "gzip", "s2"} {
		vs = append(vs,
			variant{name: "floor-" + c, compression: c, writes: true, do: floor},
			variant{name: "disk-" + c, compression: c, writes: true, do: (*run).library},
			variant{name: "s3-" + c, compression: c, writes: true, s3: true, do: (*run).library})
	}
	return append(vs,
		variant{name: "disk-zstd-join", compression: "zstd", writes: true, join: true, do: (*run).library},
		variant{name: "floor-zstd-flows", compression: "zstd", writes: true, split: true, do: floor},
		variant{name: "disk-zstd-flows", compression: "zstd", writes: true, split: true, do: (*run).library},
		variant{name: "paths-bare", compression: "zstd", paths: true, do: (*run).bare},
		variant{name: "paths-loop", compression: "zstd", writes: true, paths: true, do: func(r *run, _ context.Context) (outcome, error) { return r.loop() }},
		variant{name: "paths-disk", compression: "zstd", writes: true, paths: true, memory: 128 << 20, do: (*run).library},
		variant{name: "paths-merge", compression: "zstd", writes: true, paths: true, merge: true, memory: 128 << 20, do: (*run).library},
		variant{name: "paths-merge-2", compression: "zstd", writes: true, paths: true, merge: true, instances: 2, memory: 128 << 20, do: (*run).library},
		variant{name: "paths-merge-alone", compression: "zstd", writes: true, paths: true, merge: true, alone: true, memory: 128 << 20, do: (*run).library},
		variant{name: "paths-merge-s3", compression: "zstd", writes: true, paths: true, merge: true, memory: 128 << 20, s3: true, do: (*run).library},
		variant{name: "paths-tight", compression: "zstd", writes: true, paths: true, memory: 64 << 20, do: (*run).library},
		variant{name: "paths-s3", compression: "zstd", writes: true, paths: true, memory: 128 << 20, s3: true, do: (*run).library})
}

// floorOf is the variant that v is compared with; itself if it is one, empty if there is none.
func (v *variant) floorOf() string {
	if v.compression == "" {
		return ""
	}
	if v.split {
		return "floor-" + v.compression + "-flows"
	}
	return "floor-" + v.compression
}

func find(name string) (variant, error) {
	var names []string
	for _, v := range variants() {
		if v.name == name {
			return v, nil
		}
		names = append(names, v.name)
	}
	return variant{}, fmt.Errorf("no variant %q: there are %s", name, strings.Join(names, ", "))
}
