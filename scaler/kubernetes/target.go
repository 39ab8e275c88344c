package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/onceflow/onceflow/scaler"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Config has the credentials.
	//
	// Defaults to those that the function Config finds.
	Config *rest.Config

	// Copies is a JSON pointer to the number of copies in the object itself, such as "/spec/executor/instances".
	//
	// Defaults to the scale subresource, or to "/spec/replicas" if Cores are set, so that both change in one patch.
	Copies string

	// Cores are JSON pointers to the cores of a copy, such as "/spec/executor/cores" or
	// "/spec/template/spec/containers/0/resources/requests/cpu". The first is read, all are set; each must be there.
	//
	// Defaults to none: cores are not read and a size with cores is refused.
	Cores []string

	// Ready is a JSON pointer to the number of copies that work, for Read.
	//
	// Defaults to "/status/readyReplicas".
	Ready string

	// Manager is the name under which changes appear in managedFields.
	//
	// Defaults to "onceflow-scaler".
	Manager string
}

// Target is an object whose size a scaler sets. It is also a scaler.Signal that knows how many copies are ready. It is safe
// for concurrent use.
type Target struct {
	object Object
	client dynamic.ResourceInterface
	scale  bool
	copies pointer
	cores  []pointer
	ready  pointer
	o      Options
}

// Open connects and reads the size once, so that a wrong name, missing rights or a wrong pointer show at the start.
func Open(ctx context.Context, object Object, o *Options) (*Target, error) {
	t, err := build(object, o)
	if err != nil {
		return nil, err
	}
	config, err := configOr(t.o.Config)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: connect: %w", err)
	}
	t.client = client.Resource(object.resource()).Namespace(object.Namespace)
	if _, err := t.Size(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

func build(object Object, o *Options) (*Target, error) {
	t := &Target{object: object}
	if o != nil {
		t.o = *o
	}
	t.o.Manager = cmp.Or(t.o.Manager, "onceflow-scaler")
	t.ready = pointer(cmp.Or(t.o.Ready, "/status/readyReplicas"))
	t.scale = t.o.Copies == "" && len(t.o.Cores) == 0
	t.copies = pointer(cmp.Or(t.o.Copies, "/spec/replicas"))
	errs := []error{t.copies.check(), t.ready.check()}
	for _, c := range t.o.Cores {
		t.cores = append(t.cores, pointer(c))
		errs = append(errs, pointer(c).check())
	}
	if object.Version == "" || object.Resource == "" || object.Namespace == "" || object.Name == "" {
		errs = append(errs, fmt.Errorf("object %+v needs a version, a resource, a namespace and a name", object))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return t, nil
}

// sub is the subresource that holds the size.
func (t *Target) sub() []string {
	if t.scale {
		return []string{"scale"}
	}
	return nil
}

// Size reads the size that the object's spec asks for.
func (t *Target) Size(ctx context.Context) (scaler.Size, error) {
	_, size, err := t.get(ctx)
	return size, err
}

// get returns the object, or its scale, and the size in it.
func (t *Target) get(ctx context.Context) (map[string]any, scaler.Size, error) {
	u, err := t.client.Get(ctx, t.object.Name, metav1.GetOptions{}, t.sub()...)
	if err != nil {
		return nil, scaler.Size{}, fmt.Errorf("kubernetes: read %s: %w", t.object, err)
	}
	var size scaler.Size
	copies := t.copies.find(u.Object)
	if copies == nil && t.scale {
		copies = int64(0) // a scale leaves a zero out
	}
	if size.Copies, err = copiesOf(copies); err == nil && len(t.cores) > 0 {
		size.Cores, err = coresOf(t.cores[0].find(u.Object))
	}
	if err != nil {
		return nil, size, fmt.Errorf("kubernetes: size of %s: %w", t.object, err)
	}
	return u.Object, size, nil
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Resize sets a new size in one patch, which the server makes only if the old size is still there.
func (t *Target) Resize(ctx context.Context, c scaler.Change) error {
	doc, now, err := t.get(ctx)
	switch {
	case err != nil:
		return err
	case now == c.To:
		return nil
	case now != c.From:
		return fmt.Errorf("kubernetes: %s has %s, not %s: %w", t.object, now, c.From, scaler.ErrConflict)
	case c.To.Cores != now.Cores && len(t.cores) == 0:
		return fmt.Errorf("kubernetes: %s: Options.Cores says nowhere to set %g cores", t.object, c.To.Cores)
	}
	var patch []operation
	set := func(p pointer, old, new any) {
		patch = append(patch, operation{"test", string(p), old}, operation{"replace", string(p), new})
	}
	set(t.copies, t.copies.find(doc), c.To.Copies)
	for _, p := range t.cores {
		old := p.find(doc)
		new, err := coresLike(old, c.To.Cores)
		if err != nil || old == nil {
			return fmt.Errorf("kubernetes: %s: %s: %w", t.object, p, cmp.Or(err, errNoField))
		}
		set(p, old, new)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	_, err = t.client.Patch(ctx, t.object.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: t.o.Manager}, t.sub()...)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("kubernetes: resize %s: %w", t.object, err)
	if apierrors.IsInvalid(err) || apierrors.IsConflict(err) { // a failed test is "invalid"; so is a size that a schema refuses
		if _, now, again := t.get(ctx); again == nil && now != c.From {
			return fmt.Errorf("%w: %w", err, scaler.ErrConflict)
		}
	}
	return err
}

var errNoField = errors.New("there is no such field")

// Read tells how many copies are ready. A status that is not there, as before the first copy is ready, is no value.
func (t *Target) Read(ctx context.Context) (scaler.Sample, error) {
	at := time.Now()
	u, err := t.client.Get(ctx, t.object.Name, metav1.GetOptions{})
	if err != nil {
		return scaler.Sample{}, fmt.Errorf("kubernetes: read %s: %w", t.object, err)
	}
	found := t.ready.find(u.Object)
	if found == nil {
		return scaler.Sample{}, nil
	}
	ready, err := copiesOf(found)
	if err != nil {
		return scaler.Sample{}, fmt.Errorf("kubernetes: ready copies of %s: %w", t.object, err)
	}
	return scaler.Sample{Ready: scaler.Known(float64(ready), at)}, nil
}
