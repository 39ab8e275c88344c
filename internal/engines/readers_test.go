package engines

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// reader is a program that reads our files.
type reader struct {
	name    string
	version string   // that is installed; empty: the machine's own
	env     string   // Python packages that are installed for it
	program string   // that runs its lines: python, node, bash or psql
	long    bool     // it is run by make engines only
	jar     string   // group:artifact:version of an extension
	needs   []string // programs that must be on the machine
}

func (r reader) runBy() string {
	if r.long {
		return "make engines"
	}
	return "make test"
}

var readers = []reader{
	{name: "gzip", program: "bash", needs: []string{"gzip"}},
	{name: "zstd", program: "bash", needs: []string{"zstd"}},
	{name: "lz4", program: "bash", needs: []string{"lz4"}},
	{name: "Python", program: "python"},
	{name: "zstandard", version: "0.25.0", env: "light", program: "python"},
	{name: "fastavro", version: "1.12.1", env: "light", program: "python"},
	{name: "Node", program: "node"},
	{name: "PostgreSQL", program: "psql"},
	{name: "DuckDB", version: "2.0.1", env: "light", program: "python"},
	{name: "Polars", version: "2.1.0", env: "full", program: "python", long: true},
	{name: "pandas", version: "3.1.1", env: "full", program: "python", long: true},
	{name: "pyarrow", version: "26.0.1", env: "full", program: "python", long: true},
	{name: "ClickHouse", env: "full", program: "python", long: true},
	{name: "Spark 3.5", env: "spark35", program: "python", long: true, jar: "org.apache.spark:spark-avro_2.12:3.5.9"},
	{name: "Spark 4.3", env: "spark43", program: "python", long: true},
}

// packages are those of each environment, with all that they need.
var packages = map[string][]string{
	"light": {"duckdb==2.0.1", "zstandard==0.25.0", "fastavro==1.12.1"},
	"full": {
		"polars==2.1.0", "polars-runtime-32==2.1.0", "pandas==3.1.1", "numpy==2.4.6", "python-dateutil==4.0.0", "tzdata==2026.6",
		"pyarrow==26.0.1", "zstandard==0.25.0", "chdb==4.4.0", "chdb-core==26.9.0",
	},
	"spark35": {"pyspark==3.5.9", "py4j==0.10.9.9"},
	"spark43": {"pyspark==4.3.0", "py4j==0.10.9.9"},
}

// extensionFile is the file of the reader's jar, which is installed if need be.
func (r reader) extensionFile(ctx context.Context, t *testing.T) string {
	t.Helper()
	at := strings.Split(r.jar, ":")
	if len(at) != 3 {
		return ""
	}
	file, err := servers.InstallJar(ctx, servertest.Need(t), at[0], at[1], at[2])
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// patience bounds an install, or all lines of one reader.
const patience = 20 * time.Minute

// interpreter is the Python of an environment, made once.
var interpreters sync.Map // func() (string, error), by name

func interpreter(t *testing.T, env string) string {
	t.Helper()
	if env == "" {
		return "python3"
	}
	c := servertest.Need(t)
	f, _ := interpreters.LoadOrStore(env, sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return servers.InstallPython(ctx, c, "readers-"+env, packages[env]...)
	}))
	python, err := f.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// need skips the tests of a reader that this run is not for.
func (r reader) need(t *testing.T) {
	t.Helper()
	servertest.Need(t)
	if r.long && os.Getenv("ONCEFLOW_ENGINES") != "1" {
		t.Skip("takes long to install or to start: make engines runs it")
	}
	for _, p := range r.needs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
}
