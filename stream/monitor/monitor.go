package monitor

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/metrics"
)

// Monitor is an http.Handler. It is safe for concurrent use.
type Monitor struct {
	set    *metrics.Set
	opts   Options
	page   *template.Template
	policy string // what the page may do, as a Content-Security-Policy

	mu    sync.Mutex
	waits map[*metrics.Job]waits // as they were when they were last known
}

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Partitions is how many partitions a page shows. The first one has those that are farthest behind.
	//
	// Defaults to 100.
	Partitions int

	// Silent is after what time without a Status a job counts as hanging. The engine tells one a second.
	//
	// Defaults to 1 minute.
	Silent time.Duration

	// Now is the machine's clock, for tests.
	Now func() time.Time
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// New makes a Monitor of all jobs that a set has, and gets.
func New(set *metrics.Set, opts *Options) *Monitor {
	m := &Monitor{set: set, waits: map[*metrics.Job]waits{}}
	if opts != nil {
		m.opts = *opts
	}
	if m.opts.Partitions <= 0 {
		m.opts.Partitions = 100
	}
	m.opts.Silent = cmp.Or(m.opts.Silent, time.Minute)
	if m.opts.Now == nil {
		m.opts.Now = time.Now
	}
	m.page = template.Must(template.New("page").Funcs(template.FuncMap{
		"css": func() template.CSS { return template.CSS(pageCSS) }, //nolint:gosec // our own
		"js":  func() template.JS { return template.JS(pageJS) },    //nolint:gosec // our own
	}).Parse(pageHTML))
	m.policy = "default-src 'none'; img-src data:; connect-src 'self'; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS) +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	return m
}

// hash is how a policy names a text that the page may have in itself.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// ServeHTTP answers /healthz, /readyz and /.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/") {
	case "healthz":
		m.tell(w, func(h *health) (string, bool) { return h.alive() })
	case "readyz":
		m.tell(w, func(h *health) (string, bool) { return h.ready() })
	case "":
		m.show(w, r)
	default:
		http.NotFound(w, r)
	}
}

// tell writes a line for each job, and 503 if one of them is not as it should be.
func (m *Monitor) tell(w http.ResponseWriter, is func(*health) (string, bool)) {
	var b bytes.Buffer
	code := http.StatusOK
	for _, j := range m.set.Jobs() {
		word, well := is(m.healthOf(j))
		if !well {
			code = http.StatusServiceUnavailable
		}
		fmt.Fprintf(&b, "%q %s\n", j.Name(), word)
	}
	if b.Len() == 0 {
		b.WriteString("no jobs\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}

// show writes the page. It is made before anything of it is sent, so that it is whole or an error.
func (m *Monitor) show(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // what is no number is the first
	v, found := m.view(r.URL.Query().Get("job"), n)
	var b bytes.Buffer
	if err := m.page.Execute(&b, v); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", m.policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write(b.Bytes())
}
