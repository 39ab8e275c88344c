package kinesis

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/internal/servers/servertest"
)

func TestTwoProcessesShareLanesByLeases(t *testing.T) {
	server := servertest.DynamoDB(t)
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	l := &Leases{Group: "job", Endpoint: server.Endpoint(), Lease: 5 * time.Second}
	log := slog.New(slog.DiscardHandler)
	a, err := l.join(t.Context(), cfg, "stream", log)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.join(t.Context(), cfg, "stream", log)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"one", "two"}
	a.SetLanes(all, nil)
	b.SetLanes(all, nil)
	x, _, err := a.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(x) == 2 { // it was alone for a moment
		if x, _, err = a.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, lane := range all {
			if !slices.Contains(x, lane) {
				a.Release(lane)
			}
		}
	}
	y, _, err := b.Next(t.Context())
	if err != nil || len(x) != 1 || !slices.Equal(slices.Sorted(slices.Values(append(x, y...))), all) {
		t.Errorf("%v and %v, %v", x, y, err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if z, _, err := b.Next(t.Context()); err != nil || !slices.Equal(z, all) {
		t.Errorf("after the other has left: %v, %v", z, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	l.Table = "no such name!"
	if _, err := l.join(t.Context(), cfg, "stream", log); err == nil || !strings.Contains(err.Error(), "check the table's name") {
		t.Errorf("a bad name: %v", err)
	}
}
