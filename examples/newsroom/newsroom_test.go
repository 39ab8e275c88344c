package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

var shared servertest.Shared

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "newsroom-*")
	if err == nil {
		program = filepath.Join(dir, "newsroom")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	shared.Stop()
	os.RemoveAll(dir)
	os.Exit(code)
}

// kills is how often the program dies in a test.
func kills(t *testing.T, short int) int {
	n, err := strconv.Atoi(os.Getenv("ONCEFLOW_KILLS"))
	if err != nil {
		return short
	}
	return n
}

// survive kills the program with SIGKILL at random moments, at most longest after its start, then lets it end. It compares
// its output with the truth itself.
func survive(t *testing.T, n int, longest time.Duration, env []string, args ...string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(7, uint64(n)))
	died := 0
	for try := 0; died < n; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond+time.Duration(rnd.Int64N(int64(longest))))
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		killed := ctx.Err() != nil
		cancel()
		if killed {
			died++
			continue
		}
		if err != nil {
			t.Fatalf("before it was killed: %v\n%s", err, out)
		}
		t.Logf("it ended after %d kills", died)
		break
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("after %d kills: %v\n%s", died, err, out.String())
	}
	t.Logf("killed %d times\n%s", died, out.String())
}

func TestResultIsTheTruthThoughKilled(t *testing.T) {
	dir := t.TempDir()
	survive(t, kills(t, 8), time.Second, nil, "-out", filepath.Join(dir, "out"), "-events", "120000", "-commit", "150ms")
}

func TestResultIsTheTruthOnRealServersThoughKilled(t *testing.T) {
	k, m, r := shared.Kafka(t), shared.MinIO(t), servertest.Redis(t)
	env := []string{
		"AWS_ACCESS_KEY_ID=" + servers.MinIOAccessKey, "AWS_SECRET_ACCESS_KEY=" + servers.MinIOSecretKey, "AWS_REGION=us-east-1",
	}
	admin := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(m.Endpoint()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, ""),
	})
	if _, err := admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("newsroom")}); err != nil {
		t.Fatal(err)
	}
	n := kills(t, 3)
	survive(t, n, 15*time.Second, env, // a killed one's session ends after 10 seconds
		"-out", filepath.Join(t.TempDir(), "out"), "-events", strconv.Itoa(20_000*n), "-commit", "300ms",
		"-kafka", k.Brokers()[0], "-redis", r.Addr(), "-s3", "newsroom", "-endpoint", m.Endpoint())
}
