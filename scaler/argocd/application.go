package argocd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Size reads the parameters.
func (a *Application) Size(ctx context.Context) (scaler.Size, error) {
	_, _, size, err := a.find(ctx)
	return size, err
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
