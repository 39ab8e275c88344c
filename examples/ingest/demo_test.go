package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

var shared servertest.Shared

// amazonEnv is what emulators of Amazon's services want.
var amazonEnv = []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true"}

// demonstration runs the program as a user does, and returns its folder. There are at least 60 batches: that none of them is lost has a
// probability of less than 1 in 10,000.
func demonstration(t *testing.T, args ...string) (dir string) {
	t.Helper()
	const lines = "20"
	dir = filepath.Join(t.TempDir(), "ingest")
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-out", dir, "-lines", lines, "-batch", lines, "-deadline", "3s"}, args...)...)
	cmd.Env = append(os.Environ(), amazonEnv...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "are in the output: 0 missing, 0 that nobody was told of, 0 twice") || !strings.Contains(string(out), "repaired") {
		t.Errorf("%v:\n%s", err, out)
	}
	return dir
}

// A comparison that finds nothing would prove nothing.
func TestTheDemonstrationOnFiles(t *testing.T) {
	t.Parallel()
	dir := demonstration(t, "-events", "5000")
	store, err := sinkfile.Open(filepath.Join(dir, "bucket"), nil)
	if err != nil {
		t.Fatal(err)
	}
	acked := filepath.Join(dir, "acked.ndjson")
	text, err := os.ReadFile(acked)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	for name, c := range map[string]struct {
		acked []byte
		want  comparison
	}{
		"as it was":        {text, comparison{acked: 5000, rows: 5000}},
		"one row too many": {rest, comparison{acked: 4999, rows: 5000, extra: 1}},
		"one row too few":  {append(bytes.Clone(text), "{}\n"...), comparison{acked: 5001, rows: 5000, missing: 1}},
	} {
		if err := os.WriteFile(acked, c.acked, 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := compare(t.Context(), store, acked)
		if err != nil {
			t.Fatal(err)
		}
		if got.example = ""; *got != c.want || got.same() != (name == "as it was") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTheDemonstrationOnKafkaAndDynamoDB(t *testing.T) {
	t.Parallel()
	demonstration(t, "-events", "2000", "-kafka", strings.Join(shared.Kafka(t).Brokers(), ","), "-dynamodb", shared.DynamoDB(t).Endpoint())
}

func TestTheDemonstrationOnKinesisAndDynamoDB(t *testing.T) {
	t.Parallel()
	demonstration(t, "-events", "1200", "-kinesis", servertest.KinesisLocal(t).Endpoint(), "-table", "of-kinesis", "-dynamodb", shared.DynamoDB(t).Endpoint())
}
