package argocd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/onceflow/onceflow/scaler"
)

// ApplicationConfig says which parameters of which application hold the size.
type ApplicationConfig struct {
	URL   string // of the API server, such as "https://argocd.example.com"; required
	Name  string // of the application; required
	Token string // of an account with the rights get and update, and sync if Sync is set; required

	// Namespace is that of the application, and Project its project, where Argo CD needs them.
	Namespace, Project string

	// Copies is the Helm parameter for the number of copies, such as "replicaCount"; or Kustomize is the name of the workload
	// whose replicas are set. One of them is required, and the application must have it already.
	Copies, Kustomize string

	// Cores is the Helm parameter for the cores of a copy, such as "resources.requests.cpu". Without it cores are left alone.
	Cores string

	// Source is the index of the source, for an application with several; -1 is the field source, not sources.
	//
	// Defaults to the field source for an application that has no sources, and to the first of them otherwise.
	Source *int

	// Sync asks Argo CD to sync after a change, for applications that do not sync by themselves.
	Sync bool

	// Client makes the requests.
	//
	// Defaults to http.DefaultClient.
	Client *http.Client
}

// Application is a target by Argo CD's API. It is safe for concurrent use.
type Application struct {
	c    ApplicationConfig
	base *url.URL
}

// OpenApplication reads the size once, so that wrong names and missing rights show at the start.
func OpenApplication(ctx context.Context, c ApplicationConfig) (*Application, error) {
	base, err := url.Parse(c.URL)
	var errs []error
	if err != nil || base.Scheme == "" || base.Host == "" {
		errs = append(errs, fmt.Errorf("argocd: %q is not a URL such as https://argocd.example.com", c.URL))
	}
	if c.Name == "" || c.Token == "" {
		errs = append(errs, errors.New("argocd: needs a name and a token"))
	}
	if (c.Copies == "") == (c.Kustomize == "") {
		errs = append(errs, errors.New("argocd: needs either a Helm parameter for copies or a workload of Kustomize"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Client = cmp.Or(c.Client, http.DefaultClient)
	a := &Application{c: c, base: base}
	_, err = a.Size(ctx)
	return a, err
}

// app is what is needed of an Application (argoproj.io/v1alpha1).
type app struct {
	Spec struct {
		Source  *source  `json:"source"`
		Sources []source `json:"sources"`
	} `json:"spec"`
}

type source struct {
	Helm struct {
		Parameters []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"parameters"`
	} `json:"helm"`
	Kustomize struct {
		Replicas []struct {
			Name  string          `json:"name"`
			Count json.RawMessage `json:"count"` // a number or a text
		} `json:"replicas"`
	} `json:"kustomize"`
}

// place is where a number is in the application: its JSON pointer and its present text.
type place struct {
	pointer string
	raw     json.RawMessage
	scalar  scalar
}

// find gives the places of the copies and, if asked for, of the cores.
func (a *Application) find(ctx context.Context) (copies, cores *place, size scaler.Size, err error) {
	var got app
	if err := a.call(ctx, http.MethodGet, nil, nil, &got); err != nil {
		return nil, nil, size, err
	}
	src, path, err := a.source(&got)
	if err != nil {
		return nil, nil, size, err
	}
	if a.c.Copies != "" {
		copies = src.parameter(path, a.c.Copies)
	} else {
		copies = src.replicas(path, a.c.Kustomize)
	}
	if copies == nil {
		return nil, nil, size, fmt.Errorf("argocd: application %s has no %s at %s; set it once by hand", a.c.Name, cmp.Or(a.c.Copies, a.c.Kustomize), path)
	}
	if size.Copies, err = copies.scalar.copies(); err != nil {
		return nil, nil, size, fmt.Errorf("argocd: application %s: %w", a.c.Name, err)
	}
	if a.c.Cores == "" {
		return copies, nil, size, nil
	}
	if cores = src.parameter(path, a.c.Cores); cores == nil {
		return nil, nil, size, fmt.Errorf("argocd: application %s has no parameter %s at %s; set it once by hand", a.c.Name, a.c.Cores, path)
	}
	if size.Cores, err = cores.scalar.cores(); err != nil {
		return nil, nil, size, fmt.Errorf("argocd: application %s: %w", a.c.Name, err)
	}
	return copies, cores, size, nil
}

// source is the one that holds the parameters, and its JSON pointer.
func (a *Application) source(got *app) (*source, string, error) {
	i := -1
	if a.c.Source != nil {
		i = *a.c.Source
	} else if len(got.Spec.Sources) > 0 {
		i = 0
	}
	switch {
	case i < 0 && got.Spec.Source != nil:
		return got.Spec.Source, "/spec/source", nil
	case i >= 0 && i < len(got.Spec.Sources):
		return &got.Spec.Sources[i], "/spec/sources/" + strconv.Itoa(i), nil
	}
	return nil, "", fmt.Errorf("argocd: application %s has no source %d", a.c.Name, i)
}

func (s *source) parameter(path, name string) *place {
	for i, p := range s.Helm.Parameters {
		if p.Name == name {
			raw, _ := json.Marshal(p.Value) // a string
			return &place{fmt.Sprintf("%s/helm/parameters/%d/value", path, i), raw, scalar{text: p.Value, quote: '"'}}
		}
	}
	return nil
}

func (s *source) replicas(path, name string) *place {
	for i, r := range s.Kustomize.Replicas {
		if r.Name == name {
			text := string(bytes.Trim(r.Count, `"`))
			sc := scalar{text: text}
			if len(text) != len(r.Count) {
				sc.quote = '"'
			}
			return &place{fmt.Sprintf("%s/kustomize/replicas/%d/count", path, i), r.Count, sc}
		}
	}
	return nil
}

// Size reads the parameters.
func (a *Application) Size(ctx context.Context) (scaler.Size, error) {
	_, _, size, err := a.find(ctx)
	return size, err
}

type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// Resize sets the parameters in one patch, which the server makes only if the old ones are still there.
func (a *Application) Resize(ctx context.Context, c scaler.Change) error {
	copies, cores, now, err := a.find(ctx)
	switch {
	case err != nil:
		return err
	case now == c.To: // an earlier call has set it, and perhaps failed to sync
		return a.sync(ctx)
	case now != c.From:
		return fmt.Errorf("argocd: application %s has %s, not %s: %w", a.c.Name, now, c.From, scaler.ErrConflict)
	case cores == nil && c.To.Cores != 0:
		return fmt.Errorf("argocd: application %s: Cores says nowhere to set %g cores", a.c.Name, c.To.Cores)
	}
	patch := copies.set(strconv.Itoa(c.To.Copies))
	if cores != nil {
		patch = append(patch, cores.set(cores.scalar.coresLike(c.To.Cores))...)
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	request := map[string]string{"name": a.c.Name, "patch": string(text), "patchType": "json"}
	a.address(request)
	if err := a.call(ctx, http.MethodPatch, nil, request, nil); err != nil {
		if _, _, now, again := a.find(ctx); again == nil && now != c.From && now != c.To {
			return fmt.Errorf("%w: %w", err, scaler.ErrConflict)
		}
		return err
	}
	return a.sync(ctx)
}

// sync asks Argo CD to sync, if that was wanted.
func (a *Application) sync(ctx context.Context) error {
	if !a.c.Sync {
		return nil
	}
	request := map[string]string{"name": a.c.Name}
	a.address(request)
	return a.call(ctx, http.MethodPost, []string{"sync"}, request, nil)
}

// address adds where the application is, if that was told.
func (a *Application) address(request map[string]string) {
	if a.c.Namespace != "" {
		request["appNamespace"] = a.c.Namespace
	}
	if a.c.Project != "" {
		request["project"] = a.c.Project
	}
}

func (p *place) set(text string) []operation {
	value := json.RawMessage(text)
	if p.scalar.quote != 0 {
		value = json.RawMessage(strconv.Quote(text))
	}
	return []operation{{"test", p.pointer, p.raw}, {"replace", p.pointer, value}}
}

const longestReply = 16 << 20

// call makes a request to the application's URL.
func (a *Application) call(ctx context.Context, method string, sub []string, request map[string]string, reply any) error {
	u := a.base.JoinPath(append([]string{"api/v1/applications", url.PathEscape(a.c.Name)}, sub...)...)
	var body io.Reader
	if request == nil {
		q := map[string]string{}
		a.address(q)
		values := url.Values{}
		for k, v := range q {
			values.Set(k, v)
		}
		u.RawQuery = values.Encode()
	} else {
		b, err := json.Marshal(request)
		if err != nil {
			return fmt.Errorf("argocd: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.c.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.c.Client.Do(req)
	if err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err != nil {
		return fmt.Errorf("argocd: %s application %s: %w", method, a.c.Name, err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Message string }
		if json.Unmarshal(b, &e) != nil || e.Message == "" {
			e.Message = "no reason given"
		}
		return fmt.Errorf("argocd: %s application %s: %s: %s", method, a.c.Name, resp.Status, e.Message)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return fmt.Errorf("argocd: %s application %s: not a reply of Argo CD: %w", method, a.c.Name, err)
	}
	return nil
}
