package engines

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/escape"
)

// Each reader gets the rows that went in, by its line, from each kind of files of which the document says so; and it fails, or gives
// something else, in the ways that the document says.
func TestReaders(t *testing.T) {
	d := readDocument(t)
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			r.need(t)
			dir := output(t)
			var tasks []task
			for _, k := range kinds() {
				if cell, ok := d.cell(r.name, k.name); ok && cell != "" && cell != "?" {
					line, _ := d.line(r.name, k.name)
					tasks = append(tasks, task{Name: k.name, Code: asCode(line, k.name, k.name), Flow: k.name, Ext: k.name})
				}
			}
			answers := r.run(t, dir, tasks)
			differs := r.differs(t, &d)
			for _, k := range tasks {
				t.Run(k.Name, func(t *testing.T) {
					want, _ := d.cell(r.name, k.Name)
					got, reason := judge(answers[k.Name], onTime(), d.folds(r.name))
					if got == want || differs && !strings.HasPrefix(want, "yes") {
						t.Logf("%s: %v", got, reason)
						return
					}
					t.Errorf("%s: got %q, the document says %q: %v", k.Code, got, want, reason)
				})
			}
			r.types(t, &d, answers)
		})
	}
}

// differs reports that a reader is the machine's own, in another version than the document has. Then only what should be right has to be.
func (r reader) differs(t *testing.T, d *document) bool {
	t.Helper()
	if r.version != "" || r.env != "" {
		return false
	}
	args := map[string][]string{"PostgreSQL": {"psql", "--version"}, "Python": {"python3", "--version"}, "Node": {"node", "--version"}}[r.name]
	if args == nil {
		args = []string{r.name, "--version"}
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range d.readers.rows {
		if version, ok := strings.CutPrefix(row[0], r.name+" "); ok && readerOf(row[0]) == r.name {
			differs := !strings.Contains(string(out), version)
			if differs {
				t.Logf("the document has %s, this is %s", row[0], out)
			}
			return differs
		}
	}
	return false
}

// types compares what the columns of the folders are.
func (r reader) types(t *testing.T, d *document, answers map[string]answer) {
	for _, row := range d.types.rows {
		if row[0] != r.name {
			continue
		}
		t.Run("types of folders", func(t *testing.T) {
			a := answers["jsonl.gz"]
			if got := []string{a.Types["day"], a.Types["hour"], a.Types["site"]}; !slices.Equal(got, row[1:4]) {
				t.Errorf("day, hour and site are %q, the document says %q", got, row[1:4])
			}
		})
	}
}

// Lines that read more than one folder: late rows with their flow, dead letters, all flows at once.
func TestWholeFolders(t *testing.T) {
	d := readDocument(t)
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			var tasks []task
			for _, row := range d.folders.rows {
				if row[0] == r.name {
					kind := "jsonl.gz"
					if m := extension.FindStringSubmatch(row[2]); m != nil {
						kind = m[1]
					}
					tasks = append(tasks, task{Name: row[1], Code: asCode(row[2], kind, kind), Flow: kind, Ext: kind})
				}
			}
			if len(tasks) == 0 {
				return
			}
			r.need(t)
			var env []string
			for i := range tasks {
				if strings.Contains(tasks[i].Code, bucketURL) || strings.Contains(tasks[i].Code, defaultEndpoint) {
					m := minio(t)
					tasks[i].Code = strings.ReplaceAll(tasks[i].Code, defaultEndpoint, m.Endpoint())
					env = clientEnv(m)
				}
			}
			for name, a := range r.run(t, output(t), tasks, env...) {
				i := slices.IndexFunc(d.folders.rows, func(row []string) bool { return row[0] == r.name && row[1] == name })
				t.Run(name, func(t *testing.T) { wholeFolder(t, d.folders.rows[i], a, d.folds(r.name)) })
			}
		})
	}
}

// wholeFolder checks a row of the table of folders. Its last cell says what comes out.
func wholeFolder(t *testing.T, row []string, a answer, folders bool) {
	all, hour := maps.Clone(onTime()), maps.Clone(onTime())
	maps.Copy(all, late())
	maps.DeleteFunc(hour, func(_ int64, e *event) bool { return e.At.Hour() != 0 })
	same := func(want map[int64]*event, folders bool) {
		if got, reason := judge(a, want, folders); !strings.HasPrefix(got, "yes") {
			t.Errorf("%s: %s: %v", row[2], got, reason)
		}
	}
	switch row[3] {
	case "the rows of the flow":
		same(onTime(), folders)
	case "the rows without the folders' columns":
		same(onTime(), false)
	case "the rows of hour 00":
		same(hour, folders)
	case "each row once":
		same(all, folders)
	case "no":
		if a.Error == "" {
			t.Errorf("%s: got %d rows, want an error", row[2], len(a.Rows))
		}
	case "the folder's value", "the folder's name":
		samePlaces(t, row, a)
	case "other values":
		if got, _ := judge(a, onTime(), folders); got != "part" || len(a.Rows) != len(onTime()) {
			t.Errorf("%s: got %d rows, %s, %s", row[2], len(a.Rows), got, a.Error)
		}
	case "the first frame of each file":
		files := map[string]int{}
		for _, r := range a.Rows {
			files[fmt.Sprint(r["place"])]++
		}
		if a.Error != "" || len(files) != len(places) || len(a.Rows) >= len(onTime()) {
			t.Errorf("%s: got %d rows of %d places, %s, want less rows than the %d that there are", row[2], len(a.Rows), len(files), a.Error, len(onTime()))
		}
	case "rows twice":
		ids := map[string]int{}
		for _, r := range a.Rows {
			if id, ok := r["id"]; ok && id != nil {
				ids[fmt.Sprint(id)]++
			}
		}
		if a.Error != "" || len(ids) != len(all) || len(a.Rows) <= len(all) {
			t.Errorf("%s: got %d rows of %d events, %s, want more rows than events: %d", row[2], len(a.Rows), len(ids), a.Error, len(all))
		}
	case "the dead letter":
		if a.Error != "" || len(a.Rows) != 1 || a.Rows[0]["value"] != "no JSON" {
			t.Errorf("%s: got %v, %s", row[2], a.Rows, a.Error)
		}
	default:
		t.Errorf("%q is none of the results", row[3])
	}
}

// samePlaces checks what a reader gives for place, which is a field of the rows and a key of the flow "some".
func samePlaces(t *testing.T, row []string, a answer) {
	t.Helper()
	want := map[any]int{}
	for _, e := range onTime() {
		switch {
		case !e.OK:
		case row[3] == "the folder's name":
			want[string(escape.Append(nil, e.Place))]++
		case e.Place == "":
			want[nil]++
		default:
			want[e.Place]++
		}
	}
	got := map[any]int{}
	for _, r := range a.Rows {
		got[r["place"]]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: got rows %v, %s, want %v", row[2], got, a.Error, want)
	}
}
