package sinktest

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest/internal/twin"
)

// Config says what Run tests and how to reach it.
type Config struct {
	// Open opens a Store as a process does that has just begun, with a client of its own. The requests must go to
	// at.Server, which may be a [Front], and have the time-out at.Timeout unless that is 0. Run calls Open often, also in
	// other processes and in several goroutines, and closes nothing.
	Open func(t *testing.T, at Place) (sink.Store, error)

	// Setup makes an empty storage, such as a folder, or a bucket on a server that it starts, and says where it is. It is
	// called once.
	//
	// Defaults to none, for a Store in the memory of this process: no other process is started, and Open gets no Place.
	Setup func(*testing.T) Place

	// Page is how many entries a page of List and Staged has. A Store that can be told to make small pages for the test is
	// tested faster.
	//
	// Defaults to 1000.
	Page int

	// Patience is how long a call may take, however the server behaves: more than all attempts together with Place.Timeout.
	//
	// Defaults to 1 minute.
	Patience time.Duration

	// Secrets are texts that no error may have, such as a password. Tokens and signatures that the Store sends to a Front
	// need not be here.
	Secrets []string

	// Local says that all processes that use the storage are on one machine, whose clock the Store may take. A Store that has
	// Traits.Folder needs not say it.
	Local bool

	// Put puts an object of another program into the storage, below what the Store was opened on, under a name that need not be
	// a key. An error says that the storage takes no such name.
	//
	// Defaults to none, and what others put there is not tried.
	Put func(t *testing.T, at Place, name string, body []byte) error

	// Cut takes the second half of an object away while a stream of it is read, as a broken disk does.
	//
	// Defaults to none. A Place.Server needs none, since a Front cuts its answers.
	Cut func(t *testing.T, at Place, key string) error

	// Bytes is how much the storage has, what is staged and what the Store has for itself included.
	//
	// Defaults to none, and whether Discard leaves data behind is not tried.
	Bytes func(t *testing.T, at Place) (int64, error)
}

// Place says where a storage is.
type Place struct {
	// Server is the base URL of the storage's server, such as http://127.0.0.1:9000, if the Store speaks plain HTTP with it.
	// Otherwise it is empty, and the rules about networks are not tried. Run says on the standard error which these are.
	Server string

	Name string // of the folder or bucket, or whatever Open needs

	// Timeout is how long an attempt may take, 2 seconds, where Run will leave requests without an answer. Elsewhere it is 0:
	// the Store's own, which no busy machine exceeds.
	Timeout time.Duration
}

// silent is the Timeout of a Place whose server will not answer.
const silent = 2 * time.Second

// processEnv tells a process that Run has started that it is the second, and where the storage is. yearEnv tells it to live
// in another time.
const (
	processEnv = "ONCEFLOW_SINKTEST_PLACE"
	yearEnv    = "ONCEFLOW_SINKTEST_YEAR"
)

// serve makes calls for the process that started this one, and reports whether there is such.
func (c *Config) serve(t *testing.T) bool {
	text, ok := os.LookupEnv(processEnv)
	if !ok {
		return false
	}
	var at Place
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatal(err)
	}
	answer := func(t *testing.T) { //nolint:thelper // it is the test
		store, err := c.Open(t, at)
		if err := twin.Serve(t.Context(), store, err, os.Stdin, os.Stdout); err != nil {
			t.Error(err)
		}
	}
	if _, ok := os.LookupEnv(yearEnv); ok {
		synctest.Test(t, answer) // where the clock stands at the beginning of 2000
	} else {
		answer(t)
	}
	return true
}

// bench is what the tests of all contracts share.
type bench struct {
	Config
	place  Place
	run    string // a random name
	test   string // that a second process runs
	second *twin.Process

	mu     sync.Mutex
	fronts []*Front
	told   map[string]string // errors, without what differs in each, and the rule that told of them
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	b := &bench{Config: c, run: strings.ToLower(rand.Text()[:12]), told: map[string]string{}}
	b.Page = cmp.Or(b.Page, 1000)
	b.Patience = cmp.Or(b.Patience, time.Minute)
	var levels []string
	for level := range strings.SplitSeq(t.Name(), "/") {
		levels = append(levels, "^"+regexp.QuoteMeta(level)+"$")
	}
	b.test = strings.Join(levels, "/")
	if b.Setup == nil {
		return b
	}
	b.place = b.Setup(t)
	b.second = b.process(t)
	t.Cleanup(func() {
		if err := b.second.Close(); err != nil {
			t.Errorf("the end of the second process: %v", err)
		}
	})
	return b
}

// process starts one that opens the storage.
func (b *bench) process(t *testing.T, env ...string) *twin.Process {
	t.Helper()
	at, err := json.Marshal(b.place)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run="+b.test, "-test.timeout=10m") //nolint:noctx // its end is asked for, or it is killed
	cmd.Env = append(append(os.Environ(), processEnv+"="+string(at)), env...)
	cmd.Stderr = os.Stderr
	p, err := twin.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// suite opens handles for a contract's test.
func (b *bench) suite(t *testing.T, name string) *suite {
	t.Helper()
	owner := b.run + strings.ToLower(name)
	s := &suite{T: t, bench: b, said: newSaid(t, b, name), owner: owner, dir: "conformance/" + b.run + "/" + owner + "-"}
	raw, err := b.Open(t, b.place)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	s.traits = storage.TraitsOf(raw)
	s.a = b.watch(t, raw)
	if b.second != nil {
		s.b = b.watch(t, b.second)
		return s
	}
	if raw, err = b.Open(t, b.place); err != nil {
		t.Fatalf("Open: %v", err)
	}
	s.b = b.watch(t, raw)
	return s
}

func (b *bench) watch(t *testing.T, store sink.Store) sink.Store {
	return &watched{store: store, t: t, bench: b, hung: new(atomic.Bool)}
}

// behind opens a handle whose requests go over a Front of its own.
func (b *bench) behind(t *testing.T, timeout time.Duration) (sink.Store, *Front, error) {
	t.Helper()
	f := NewFront(t, b.place.Server)
	b.mu.Lock()
	b.fronts = append(b.fronts, f)
	b.mu.Unlock()
	store, err := b.Open(t, Place{Server: f.URL, Name: b.place.Name, Timeout: timeout})
	if err != nil {
		return nil, nil, err
	}
	return b.watch(t, store), f, nil
}

// secret reports whether a text shows one.
func (b *bench) secret(text string) bool {
	for _, s := range b.Secrets {
		if s != "" && strings.Contains(text, s) {
			return true
		}
	}
	b.mu.Lock()
	fronts := b.fronts
	b.mu.Unlock()
	for _, f := range fronts {
		if f.shows(text) {
			return true
		}
	}
	return false
}
