package engines

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

var (
	//go:embed read.py
	readPython string
	//go:embed read.mjs
	readNode string
)

// task is a line of the document to be run.
type task struct {
	Name string `json:"name"`
	Code string `json:"code"`
	Flow string `json:"flow"`
	Ext  string `json:"ext"`
}

// answer is what came out.
type answer struct {
	Name  string
	Rows  []row
	Types map[string]string // of the columns that folders make
	Error string
}

// run runs tasks in dir, with env, and returns the answers by name.
func (r reader) run(t *testing.T, dir string, tasks []task, env ...string) map[string]answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := map[string]answer{}
	switch r.program {
	case "bash":
		for _, k := range tasks {
			all[k.Name] = lines(command(ctx, dir, nil, nil, "bash", "-euo", "pipefail", "-c", k.Code))
		}
		return all
	case "psql":
		return postgres(ctx, t, dir, tasks)
	}
	for rest := tasks; len(rest) > 0; {
		n := 0
		for i, a := range r.interpret(ctx, t, dir, rest, env) {
			if i > 0 && gone(a) {
				break // the line before this one may be to blame
			}
			all[a.Name] = a
			n++
		}
		rest = rest[n:]
	}
	return all
}

// gone reports that a line ended the process behind Python, such as Spark's. Nothing works then.
func gone(a answer) bool {
	return strings.HasPrefix(a.Error, "ConnectionRefusedError") || strings.HasPrefix(a.Error, "Py4JNetworkError")
}

// interpret runs tasks in one process of a reader's interpreter, and returns their answers in the same order.
func (r reader) interpret(ctx context.Context, t *testing.T, dir string, tasks []task, env []string) (all []answer) {
	t.Helper()
	in, err := json.Marshal(tasks)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{interpreter(t, r.env), "-c", readPython, r.name}
	if r.program == "node" {
		args = []string{"node", "--input-type=module", "-e", readNode}
	}
	out, err := command(ctx, dir, in, append(env, "TZ=UTC", "PYTHONWARNINGS=ignore", "PYTHONUTF8=1", "SPARK_JARS="+r.extensionFile(ctx, t)), args...)
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		d.UseNumber()
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		all = append(all, a)
	}
	if err != nil || len(all) != len(tasks) {
		t.Fatalf("%s: %d of %d lines were run: %v", r.name, len(all), len(tasks), err)
	}
	return all
}

// command runs a program. What it says of a failure is part of the error.
func command(ctx context.Context, dir string, in []byte, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), env...), bytes.NewReader(in)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %.2000s", err, said.String())
	}
	return out, err
}

// lines are the rows of a program that prints JSON.
func lines(text []byte, err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	rows, err := rowsOf(text)
	if err != nil {
		return answer{Error: "not JSON: " + err.Error()}
	}
	return answer{Rows: rows}
}

// thePostgres starts the server that all tests share.
var thePostgres = sync.OnceValues(func() (*servers.Postgres, error) {
	c, err := servers.Open()
	if err != nil {
		return nil, err
	}
	p, err := servers.StartPostgres(context.Background(), c)
	if err == nil {
		stops = append(stops, p.Stop)
	}
	return p, err
})

const postgresTables = `
drop table if exists hits, lines;
create table hits (id bigint, n bigint, price double precision, ok boolean, text text, note text, at timestamptz, place text);
create table lines (line json);`

func postgres(ctx context.Context, t *testing.T, dir string, tasks []task) map[string]answer {
	t.Helper()
	servertest.Need(t)
	server, err := thePostgres()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]answer{}
	env := append(server.Env(), "PGTZ=UTC", "PGCLIENTENCODING=UTF8", "PGOPTIONS=-c client_min_messages=warning")
	for _, k := range tasks {
		if _, err := command(ctx, dir, []byte(postgresTables), env, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"); err != nil {
			t.Fatal(err)
		}
		_, err := command(ctx, dir, nil, env, "bash", "-euo", "pipefail", "-c", k.Code)
		if err != nil {
			all[k.Name] = answer{Error: err.Error()}
			continue
		}
		const rows = `select row_to_json(h)::text from hits h union all select line::text from lines`
		all[k.Name] = lines(command(ctx, dir, nil, env, "psql", "-X", "-At", "-c", rows))
	}
	return all
}

// judge says what an answer is, in the words of the document.
func judge(a answer, want map[int64]*event, folders bool) (verdict string, reason error) {
	if a.Error != "" {
		return "no", errors.New(strings.Join(strings.Fields(a.Error), " "))
	}
	verdict, reason = compare(want, a.Rows, folders)
	if verdict == "" {
		verdict = "part"
	}
	return verdict, reason
}
