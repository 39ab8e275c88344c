package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// One of three real files could be read: logs have dates and times in two columns, in the zone of their server, and repeat
// lines.
func TestAWebLogInColumnsBecomesHourlyFiles(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "log.tsv"), filepath.Join(dir, "out")
	log := "\ufeffip\tdate\ttime\tcode\tagent\r\n"
	for i := range 600 {
		line := fmt.Sprintf("10.0.0.%d\t2025-03-30\t%02d:%02d:00\t%d\t\"a\t\"\"%d\"\"\"\r\n", i%7, i/60%5, i%60, 200+i%2*204, i)
		log += line
		if i%100 == 0 {
			log += line
		}
	}
	if err := os.WriteFile(in, []byte(log), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "-in", in, "-out", out, "-time", "date,time", "-zone", "Europe/Warsaw", "-by", "code", "-id", "ip,date,time,agent", "-codec", "gzip")
	if err := cmd.Run(); err != nil || !strings.Contains(said(cmd), "606 records read = 600 written + 0 merged + 0 filtered + 6 duplicate") {
		t.Fatalf("%v:\n%s", err, said(cmd))
	}
	hours, rows := map[string]int{}, 0
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".tsv.gz") {
			return err
		}
		lines := strings.Split(strings.TrimSpace(gunzip(t, path)), "\n")
		if lines[0] != "ip\tdate\ttime\tcode\tagent" {
			t.Errorf("%s begins with %q", path, lines[0])
		}
		rows += len(lines) - 1
		hours[filepath.Base(filepath.Dir(path))]++
		flow := strings.Split(path[len(out)+1:], string(filepath.Separator))[0]
		for _, l := range lines[1:] {
			if !strings.Contains(l, "\t"+flow+"\t\"a\t\"\"") {
				t.Errorf("flow %s has the line %q", flow, l)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// From 00:00 to 04:59 in Warsaw; 02:00 to 03:00 does not exist on that day, and is read as an hour later.
	var got []string
	for h := range hours {
		got = append(got, h)
	}
	slices.Sort(got)
	if want := []string{"hour=00", "hour=01", "hour=02", "hour=23"}; rows != 600 || !slices.Equal(got, want) {
		t.Errorf("got %d rows in %q, want 600 in %q", rows, got, want)
	}
}

func gunzip(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
