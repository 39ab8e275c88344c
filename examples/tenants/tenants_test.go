package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The job and the workers are killed at random, and each click comes to the worker of its advertiser, once, by a count that has
// nothing of the library. ONCEFLOW_TENANTS makes it 15,000 advertisers, a million clicks and as many kills as it says.
func TestEachClickComesToItsWorkerOnceThoughAllAreKilled(t *testing.T) {
	o := &options{dir: filepath.Join(t.TempDir(), "tenants"), advertisers: 300, rows: 60_000, rate: 15_000, workers: 4, kills: 60, commit: 50 * time.Millisecond}
	if testing.Short() {
		o.rows, o.kills = 20_000, 15
	}
	if kills, err := strconv.Atoi(os.Getenv("ONCEFLOW_TENANTS")); err == nil {
		o.advertisers, o.rows, o.rate, o.workers, o.kills, o.commit = 15_000, 1_000_000, 30_000, 10, kills, 500*time.Millisecond
	}
	program := filepath.Join(t.TempDir(), "tenants")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := generate(o); err != nil {
		t.Fatal(err)
	}
	p := &troupe{self: program, killed: map[string]int{}}
	if err := p.perform(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	c, err := count(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.wrong(); err != nil {
		t.Error(err)
	}
	kills, bills, rows := 0, 0, 0
	for _, n := range p.killed {
		kills += n
	}
	for _, w := range c.workers {
		bills += w.bills
		rows += w.rows
		if w.advertisers == 0 || w.rows == 0 {
			t.Errorf("a worker has %d advertisers and %d clicks", w.advertisers, w.rows)
		}
	}
	if rows != o.rows || p.killed["job"] == 0 || kills < 5 {
		t.Errorf("%d clicks, want %d; the job was killed %d times, all together %d times", rows, o.rows, p.killed["job"], kills)
	}
	t.Logf("%d kills, %d of the job; %d clicks in %d bills", kills, p.killed["job"], rows, bills)

	// The same rows are in the files of the sealed hours, each advertiser's in its folder.
	if said, err := exec.Command("go", "run", "../verify", o.output()).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, said)
	}
	folders, err := filepath.Glob(filepath.Join(o.output(), flowName, "day=*", "hour=*", keyName+"=*"))
	if err != nil || len(folders) == 0 {
		t.Errorf("there are %d folders of advertisers, %v", len(folders), err)
	}
}

// A count that finds nothing wrong is worth nothing unless it finds what is.
func TestTheCountFindsWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(bills map[int]string, n int){
		"1 are missing": func(bills map[int]string, n int) {
			_, rest, _ := strings.Cut(bills[n], "\n")
			bills[n] = rest
		},
		"1 are there again": func(bills map[int]string, n int) {
			first, _, _ := strings.Cut(bills[n], "\n")
			bills[n] += first + "\n"
		},
		"1 have come to the wrong place": func(bills map[int]string, n int) {
			line, rest, _ := strings.Cut(bills[n], "\n")
			bills[n] = rest
			bills[(n+1)%3] += line + "\n"
		},
		"": func(map[int]string, int) {},
	} {
		o := &options{dir: t.TempDir(), advertisers: 20, rows: 100, workers: 3}
		if err := generate(o); err != nil {
			t.Fatal(err)
		}
		bills := map[int]string{}
		inputs, err := filepath.Glob(filepath.Join(o.input(), "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range inputs {
			err := lines(name, func(line string) error {
				var c click
				if err := json.Unmarshal([]byte(line), &c); err != nil {
					return err
				}
				bills[workerOf(c.Advertiser, o.workers)] += fmt.Sprintf("%d\t1.00\t%q\n", c.ID, c.Advertiser)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		change(bills, workerOf(advertiser(0), o.workers))
		for w, text := range bills {
			b, err := openBills(o.worker(w))
			if err == nil {
				err = b.keep(7, []byte(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c, err := count(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.wrong(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
