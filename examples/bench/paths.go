package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/env"
)

// bareFile is about how long a tenant's file is, compressed.
const bareFile = 6400

// bare makes as many files as there are tenants, in a folder each, and makes sure that they last: their bytes and their names.
// It reads and compresses nothing.
func (r *run) bare(ctx context.Context) (outcome, error) {
	body := make([]byte, bareFile)
	for i := range body {
		body[i] = byte(rand.N(256))
	}
	hour := filepath.Join(r.dir, "all", r.set.first.Format("day=2006-01-02/hour=15"))
	if err := os.MkdirAll(hour, 0o777); err != nil {
		return outcome{}, err
	}
	err := env.Default().Wide().Each(ctx, len(tenants), func(_ context.Context, i int) error {
		dir := filepath.Join(hour, "tenant="+tenants[i])
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		return lasting(filepath.Join(dir, "part.jsonl.zst"), body)
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Read: r.total()}, syncDir(hour)
}

// lasting writes a file and makes sure of its bytes and its name.
func lasting(name string, body []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tenantRows are the rows of some tenants, by folder.
type tenantRows map[string][]byte

// loop is the floor with a file for each tenant and hour, each written in one go, from memory that holds all rows.
func (r *run) loop() (outcome, error) {
	var mu sync.Mutex
	var out outcome
	all := tenantRows{}
	err := r.consume(func(_ int32, messages <-chan *sarama.ConsumerMessage, n int64) error {
		seen := map[dedup.ID]struct{}{}
		rows := tenantRows{}
		copies := int64(0)
		for range n {
			m := <-messages
			e, err := decode(m.Value)
			if err != nil {
				return err
			}
			id := dedup.Hash(e.id)
			if _, ok := seen[id]; ok {
				copies++
				continue
			}
			seen[id] = struct{}{}
			folder := e.time().Format("day=2006-01-02/hour=15") + "/tenant=" + e.tenant()
			rows[folder] = append(append(rows[folder], e.line...), '\n')
		}
		mu.Lock()
		defer mu.Unlock()
		out.Read += n
		out.Copies += copies
		for folder, b := range rows {
			all[folder] = append(all[folder], b...)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	return out, all.write(r)
}

func (t tenantRows) write(r *run) error {
	z := r.codec().New()
	for _, folder := range slices.Sorted(maps.Keys(t)) {
		dir := filepath.Join(r.dir, "all", filepath.FromSlash(folder))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(dir, "part.jsonl"+r.codec().Ext()))
		if err != nil {
			return err
		}
		z.Reset(f)
		_, err = z.Write(t[folder])
		if err := errors.Join(err, z.Close(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// perMerge are the counted requests of a merged output, beside what it has.
type perMerge struct{ packs, units, files, instances float64 }

// figuresOfRequests are the requests of a merge by what they are for.
func figuresOfRequests(counts map[string]int64, instances int) (lines []string) {
	n := func(kinds ...string) (sum float64) {
		for _, k := range kinds {
			sum += float64(counts[k])
		}
		return sum
	}
	p := perMerge{packs: n("stage pack"), units: n("create record"), files: n("stage file"), instances: float64(instances)}
	if p.packs == 0 || p.units == 0 || p.files == 0 {
		return nil
	}
	add := func(what string, value, must float64) {
		lines = append(lines, fmt.Sprintf("%s\t%.3f\t<= %g\t", what, value, must))
	}
	add("requests for a pack: begin, close, publish", n("stage pack", "close pack", "publish pack", "abort pack")/p.packs, 3)
	add("requests for a file: begin, close, publish, and its part of the records", n("stage file", "close file", "publish file", "abort file",
		"create record", "read record")/p.files, 3.1)
	add("reads of a pack's list, of each instance", n("list of pack")/p.packs/p.instances, 1)
	add("reads of a pack and unit", n("range of pack")/p.packs/p.units, 1)
	if http := n("PUT file", "HEAD file", "GET file", "DELETE file", "POST file"); http > 0 {
		add("HTTP requests for a file", http/p.files, 3.1)
	}
	var wires []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if m, what, _ := strings.Cut(k, " "); strings.ToUpper(m) == m && what != "other" {
			wires = append(wires, fmt.Sprintf("%s %d", k, counts[k]))
		}
	}
	lines = append(lines, fmt.Sprintf("packs %.0f, units %.0f, files %.0f; HTTP requests: %s\t\t\t", p.packs, p.units, p.files, strings.Join(wires, ", ")))
	return lines
}
