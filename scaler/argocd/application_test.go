package argocd

import (
	"errors"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/scaler"
)

const helmApp = `{"metadata":{"name":"etl"},"spec":{"project":"default","destination":{"name":"in-cluster"},"source":{
	"repoURL":"https://git.example.com/etl.git","helm":{"parameters":[
		{"name":"image","value":"1"},{"name":"replicaCount","value":"4"},{"name":"resources.requests.cpu","value":"500m"}]},
	"kustomize":{"replicas":[{"name":"other","count":9},{"name":"etl","count":4}]}}}}`

const manySources = `{"metadata":{"name":"etl"},"spec":{"project":"default","destination":{"name":"in-cluster"},"sources":[
	{"repoURL":"https://git.example.com/values.git"},
	{"repoURL":"https://git.example.com/etl.git","helm":{"parameters":[{"name":"replicaCount","value":"4"}]}}]}}`

func config(d *double, edit func(*ApplicationConfig)) ApplicationConfig {
	c := ApplicationConfig{URL: d.URL, Name: "etl", Token: "secret", Copies: "replicaCount"}
	if edit != nil {
		edit(&c)
	}
	return c
}

func open(t *testing.T, d *double, edit func(*ApplicationConfig)) *Application {
	t.Helper()
	a, err := OpenApplication(t.Context(), config(d, edit))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func copies(n int) scaler.Size { return scaler.Size{Copies: n} }

func wantSize(t *testing.T, target scaler.Target, want scaler.Size) {
	t.Helper()
	if got, err := target.Size(t.Context()); err != nil || got != want {
		t.Errorf("size %s (%v), want %s", got, err, want)
	}
}

func TestParametersOfAnApplicationAreSet(t *testing.T) {
	second := 1
	for name, c := range map[string]struct {
		app  string
		edit func(*ApplicationConfig)
		from scaler.Size
		to   scaler.Size
	}{
		"helm":          {helmApp, nil, copies(4), copies(8)},
		"helm, cores":   {helmApp, func(c *ApplicationConfig) { c.Cores = "resources.requests.cpu" }, scaler.Size{Copies: 4, Cores: 0.5}, scaler.Size{Copies: 8, Cores: 1.25}},
		"kustomize":     {helmApp, func(c *ApplicationConfig) { c.Copies, c.Kustomize = "", "etl" }, copies(4), copies(8)},
		"second source": {manySources, func(c *ApplicationConfig) { c.Source = &second }, copies(4), copies(8)},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, c.app)
			a := open(t, d, c.edit)
			wantSize(t, a, c.from)
			change := scaler.Change{From: c.from, To: c.to}
			for range 2 { // the second time it is done already
				if err := a.Resize(t.Context(), change); err != nil {
					t.Fatal(err)
				}
				wantSize(t, a, c.to)
			}
			if d.syncs != 0 {
				t.Errorf("%d syncs that nobody asked for", d.syncs)
			}
		})
	}
}

func TestAChangeInBetweenIsAConflictAndStays(t *testing.T) {
	d := newDouble(t, helmApp)
	a := open(t, d, nil)
	person := func() {
		if err := d.patch(`[{"op":"replace","path":"/spec/source/helm/parameters/1/value","value":"6"}]`); err != nil {
			t.Error(err)
		}
	}
	d.before = person
	if err := a.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8)}); !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want a conflict: the change came between reading and patch", err)
	}
	if err := a.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8)}); !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
	wantSize(t, a, copies(6))
}

func TestSyncIsRepeatedUntilItSucceeds(t *testing.T) {
	d := newDouble(t, helmApp)
	a := open(t, d, func(c *ApplicationConfig) { c.Sync = true })
	d.fail["POST /etl/sync"] = 1
	change := scaler.Change{From: copies(4), To: copies(8)}
	if err := a.Resize(t.Context(), change); err == nil {
		t.Fatal("a failed sync was not reported")
	}
	if err := a.Resize(t.Context(), change); err != nil || d.syncs != 1 {
		t.Errorf("%v after %d syncs, want one", err, d.syncs)
	}
}

func TestAnOutageIsNoConflict(t *testing.T) {
	d := newDouble(t, helmApp)
	a := open(t, d, nil)
	d.fail["PATCH /etl"] = 1
	err := a.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8)})
	if err == nil || errors.Is(err, scaler.ErrConflict) || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("%v, want the server's reason, and no conflict", err)
	}
	wantSize(t, a, copies(4))
}

func TestOpenApplicationRefusesWhatCannotBe(t *testing.T) {
	d := newDouble(t, helmApp)
	third := 3
	for want, edit := range map[string]func(*ApplicationConfig){
		"is not a URL":              func(c *ApplicationConfig) { c.URL = "argocd" },
		"needs a name and a token":  func(c *ApplicationConfig) { c.Token = "" },
		"needs either":              func(c *ApplicationConfig) { c.Kustomize = "etl" },
		"invalid session":           func(c *ApplicationConfig) { c.Token = "wrong" },
		"permission denied":         func(c *ApplicationConfig) { c.Name = "other" },
		"set it once by hand":       func(c *ApplicationConfig) { c.Copies = "replicas" },
		"no parameter cpu":          func(c *ApplicationConfig) { c.Cores = "cpu" },
		"not a number of cores":     func(c *ApplicationConfig) { c.Cores = "image2" },
		"no source 3":               func(c *ApplicationConfig) { c.Source = &third },
		`"x" is not a number of co`: func(c *ApplicationConfig) { c.Copies = "word" },
	} {
		d.app = nil
		fresh := newDouble(t, strings.Replace(helmApp, `{"name":"image","value":"1"}`, `{"name":"word","value":"x"},{"name":"image2","value":"-1"}`, 1))
		if _, err := OpenApplication(t.Context(), config(fresh, edit)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
