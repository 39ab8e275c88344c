package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Postgres is a running server with an empty database. Its methods are safe for concurrent use.
type Postgres struct {
	bin, dir string
	port     int
	as       []string // the command that takes the user who may run it

	mu   sync.Mutex
	proc *Process
}

// InstallPostgres finds PostgreSQL, or takes it from the distribution's packages, and returns the folder of its programs.
func InstallPostgres(ctx context.Context, c *Cache) (string, error) {
	find := func() string {
		if bin, err := exec.LookPath("initdb"); err == nil {
			if bin, err = filepath.EvalSymlinks(bin); err == nil {
				return filepath.Dir(bin)
			}
		}
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		if len(found) == 0 {
			return ""
		}
		return filepath.Dir(slices.Max(found))
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	unlock, err := c.lock(ctx, "postgres")
	if err != nil {
		return "", err
	}
	defer unlock()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if err := run(ctx, "", env, "apt-get", "install", "-y", "--no-install-recommends", "postgresql"); err != nil {
		return "", fmt.Errorf("servers: PostgreSQL is not installed: %w", err)
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	return "", fmt.Errorf("servers: PostgreSQL was installed, and there is no initdb")
}

// StartPostgres starts an empty server.
func StartPostgres(ctx context.Context, c *Cache) (*Postgres, error) {
	bin, err := InstallPostgres(ctx, c)
	if err != nil {
		return nil, err
	}
	p := &Postgres{bin: bin}
	if p.port, err = c.Port(ctx); err != nil {
		return nil, err
	}
	if p.dir, err = temp("", "postgres"); err != nil {
		return nil, err
	}
	p.as, err = p.unprivileged()
	if err == nil {
		initdb := append(slices.Clone(p.as), filepath.Join(bin, "initdb"), "-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		err = run(ctx, p.dir, nil, initdb[0], initdb[1:]...)
	}
	if err == nil {
		err = p.Restart(ctx)
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// Restart starts the server again over its data, if it does not run. After SIGKILL it first waits for the end of the processes that served
// clients, as the server demands.
func (p *Postgres) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil && p.proc.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		proc, err := start(ctx, spec{
			name: "postgres", log: filepath.Join(p.dir, "postgres.log"), dir: p.dir,
			args: append(slices.Clone(p.as), filepath.Join(p.bin, "postgres"), "-D", p.data(), "-p", strconv.Itoa(p.port), "-k", "",
				"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
			ready: func(ctx context.Context) error {
				return run(ctx, p.dir, nil, filepath.Join(p.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port))
			},
		})
		if err == nil {
			p.proc = proc
			return nil
		}
		if ctx.Err() != nil || p.proc == nil || !strings.Contains(err.Error(), "shared memory") {
			return err
		}
	}
}

// Process is the server's process.
func (p *Postgres) Process() *Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc
}

// URL is where clients find the database.
func (p *Postgres) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", p.port)
}

// Psql runs a command of psql and returns what it prints: values with bars between them, a line for each row.
func (p *Postgres) Psql(ctx context.Context, sql string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, p.URL())
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("psql: %s", exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// unprivileged gives the folder to the user postgres if we are root, whom the server refuses to serve, and returns the command
// that takes that user.
func (p *Postgres) unprivileged() ([]string, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	// A process that takes another user is not killed with its parent any more unless it asks for it again.
	return []string{"setpriv", "--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", "--pdeathsig", "INT"}, os.Chown(p.dir, uid, gid)
}

// Env are the variables by which psql finds the server.
func (p *Postgres) Env() []string {
	return []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(p.port), "PGUSER=postgres", "PGDATABASE=postgres"}
}

// Stop ends the server and deletes its data.
func (p *Postgres) Stop() {
	if proc := p.Process(); proc != nil {
		proc.Signal(syscall.SIGINT) // it does not wait for its clients
		proc.Stop()
	}
	_ = os.RemoveAll(p.dir)
}
