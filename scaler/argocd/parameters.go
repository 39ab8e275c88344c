package argocd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/onceflow/onceflow/scaler"
)

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

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// set tests the old text and puts another in its place.
func (p *place) set(text string) []operation {
	value := json.RawMessage(text)
	if p.scalar.quote != 0 {
		value = json.RawMessage(strconv.Quote(text))
	}
	return []operation{{"test", p.pointer, p.raw}, {"replace", p.pointer, value}}
}
