package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
)

// rig has the servers that stand between a job and its store, and the program that is the job.
type rig struct {
	o   *Options
	rnd *rand.Rand

	cache   *servers.Cache
	minio   *servers.MinIO
	gcs     *servers.GCS
	proxy   *servers.Toxiproxy
	proxies []string // names
	bucket  bucket
	program string
}

// begin builds the example that is the job, and starts the proxy, if there is one.
func (g *rig) begin(ctx context.Context, example string) (err error) {
	if g.cache, err = servers.Open(); err != nil {
		return err
	}
	g.program = filepath.Join(g.o.Dir, example)
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", g.program, "github.com/onceflow/onceflow/examples/"+example).CombinedOutput(); err != nil {
		return fmt.Errorf("build the job: %w\n%s", err, out)
	}
	if g.o.Toxics {
		g.proxy, err = servers.StartToxiproxy(ctx, g.cache)
	}
	return err
}

// setUpStore makes the bucket, and says with which flags and environment the job writes to it.
func (g *rig) setUpStore(ctx context.Context) (args, env []string, err error) {
	switch g.o.Store {
	case "dir":
		dir := filepath.Join(g.o.Dir, "bucket")
		g.bucket = folder(dir)
		return []string{"-dir", dir}, nil, nil
	case "s3":
		if g.minio, err = servers.StartMinIO(ctx, g.cache); err != nil {
			return nil, nil, err
		}
		const name = "torture"
		if g.bucket, err = newS3Bucket(ctx, g.minio.Endpoint(), servers.MinIOAccessKey, servers.MinIOSecretKey, name); err != nil {
			return nil, nil, err
		}
		port := g.minio.Port()
		if g.o.Toxics {
			if port, err = g.behind(ctx, "minio", port); err != nil {
				return nil, nil, err
			}
		}
		endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
		return []string{"-bucket", name, "-endpoint", endpoint},
			[]string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + servers.MinIOAccessKey, "AWS_SECRET_ACCESS_KEY=" + servers.MinIOSecretKey}, nil
	case "gcs":
		return g.setUpGCS(ctx)
	default:
		return nil, nil, fmt.Errorf("store %q is not known", g.o.Store)
	}
}

// setUpGCS starts the emulator. Sessions of long uploads go past the proxy, to where the emulator says that they are.
func (g *rig) setUpGCS(ctx context.Context) (args, env []string, err error) {
	var host string // by which the emulator knows requests for contents
	g.gcs, err = servers.StartGCS(ctx, g.cache, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Host = host
			h.ServeHTTP(rw, r)
		})
	})
	if err != nil {
		return nil, nil, err
	}
	at, err := url.Parse(g.gcs.Endpoint())
	if err != nil {
		return nil, nil, err
	}
	host = at.Host
	if g.bucket, err = newGCSBucket(ctx, g.gcs.Endpoint(), "torture"); err != nil {
		return nil, nil, err
	}
	port, err := strconv.Atoi(at.Port())
	if err == nil && g.o.Toxics {
		port, err = g.behind(ctx, "gcs", port)
	}
	return []string{"-bucket", "torture"}, []string{fmt.Sprintf("STORAGE_EMULATOR_HOST=127.0.0.1:%d", port)}, err
}

// behind puts a proxy in front of a port.
func (g *rig) behind(ctx context.Context, name string, port int) (int, error) {
	g.proxies = append(g.proxies, name)
	return g.proxy.Proxy(ctx, name, port)
}

func (g *rig) killStore(ctx context.Context) error {
	g.minio.Process().Kill()
	sleep(ctx, time.Duration(g.rnd.Int64N(int64(3*time.Second))))
	return g.minio.Restart(ctx)
}

// badNetwork spoils the connections to a broker or to the store for a while.
func (g *rig) badNetwork(ctx context.Context) error {
	name := g.proxies[g.rnd.IntN(len(g.proxies))]
	ways := []struct {
		kind, stream string
		how          map[string]int
	}{
		{"latency", "downstream", map[string]int{"latency": 300, "jitter": 200}},
		{"reset_peer", "downstream", map[string]int{"timeout": 100}},
		{"timeout", "downstream", map[string]int{"timeout": 0}},     // a black hole
		{"limit_data", "downstream", map[string]int{"bytes": 3000}}, // replies that are cut
		{"slicer", "downstream", map[string]int{"average_size": 100, "size_variation": 50, "delay": 10}},
	}
	way := ways[g.rnd.IntN(len(ways))]
	g.o.Say("           %s on %s", way.kind, name)
	if err := g.proxy.Toxic(ctx, name, way.kind, way.stream, way.how); err != nil {
		return err
	}
	sleep(ctx, time.Second+time.Duration(g.rnd.Int64N(int64(3*time.Second))))
	return g.proxy.Reset(ctx)
}

// faults are what can befall the store and the network.
func (g *rig) faults() (fs []fault) {
	if g.minio != nil {
		fs = append(fs, fault{"kill the store", g.killStore})
	}
	if g.o.Toxics {
		fs = append(fs, fault{"bad network", g.badNetwork}, fault{"bad network", g.badNetwork})
	}
	return fs
}

// mend ends what is wrong with the network.
func (g *rig) mend(ctx context.Context) error {
	if g.proxy == nil {
		return nil
	}
	return g.proxy.Reset(ctx)
}

func (g *rig) stop() {
	if g.gcs != nil {
		g.gcs.Stop()
	}
	if g.minio != nil {
		g.minio.Stop()
	}
	if g.proxy != nil {
		g.proxy.Stop()
	}
	if g.program != "" {
		_ = os.Remove(g.program)
	}
}
