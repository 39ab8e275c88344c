package kubernetes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/onceflow/onceflow/scaler"
)

func copies(n int) scaler.Size { return scaler.Size{Copies: n} }

func change(from, to int) scaler.Change { return scaler.Change{From: copies(from), To: copies(to)} }

// await waits for something that the server does in its own time.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s did not come within a minute", what)
		}
	}
}

func open(t *testing.T, object Object, o Options) *Target {
	t.Helper()
	if o.Config == nil {
		o.Config = cluster(t).Config("admin")
	}
	target, err := Open(t.Context(), object, &o)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func wantSize(t *testing.T, target *Target, want scaler.Size) {
	t.Helper()
	if got, err := target.Size(t.Context()); err != nil || got != want {
		t.Errorf("size %s (%v), want %s", got, err, want)
	}
}

// patch changes an object as somebody else would.
func patch(t *testing.T, user string, object Object, body string) {
	t.Helper()
	_, err := as(t, user).Resource(object.resource()).Namespace(object.Namespace).
		Patch(t.Context(), object.Name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhateverHasAScaleCanBeResized(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "Job"} {
		t.Run(kind, func(t *testing.T) {
			object := map[string]Object{
				"Deployment": Deployment("default", "etl"), "StatefulSet": StatefulSet("default", "etl"), "Job": jobObject(),
			}[kind]
			if kind == "Job" {
				createJob(t)
			} else {
				create(t, workload(kind))
			}
			target := open(t, object, Options{})
			wantSize(t, target, copies(4))
			if err := target.Resize(t.Context(), change(4, 9)); err != nil {
				t.Fatal(err)
			}
			wantSize(t, target, copies(9))
			if err := target.Resize(t.Context(), change(4, 9)); err != nil {
				t.Errorf("the same change again: %v, want it to be done already", err)
			}
			if err := target.Resize(t.Context(), scaler.Change{From: copies(9), To: scaler.Size{Copies: 9, Cores: 2}}); err == nil {
				t.Error("cores were taken though nothing says where they are")
			}
		})
	}
}

func TestAChangeInBetweenIsAConflictAndStays(t *testing.T) {
	create(t, workload("Deployment"))
	object := Deployment("default", "etl")
	for name, o := range map[string]Options{"scale": {}, "field": {Copies: "/spec/replicas"}} {
		patch(t, "admin", object, `{"spec":{"replicas":4}}`)
		target := open(t, object, o)
		patch(t, "admin", object, `{"spec":{"replicas":6}}`)
		if err := target.Resize(t.Context(), change(4, 9)); !errors.Is(err, scaler.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		wantSize(t, target, copies(6))

		// Between the reading and the patch of one Resize, too: the server tests the old size itself.
		raced := *target
		raced.client = &interloper{target.client, func() { patch(t, "admin", object, `{"spec":{"replicas":7}}`) }}
		if err := raced.Resize(t.Context(), change(6, 9)); !errors.Is(err, scaler.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		wantSize(t, target, copies(7))
		raced.client = &interloper{target.client, func() { patch(t, "admin", object, `{"metadata":{"labels":{"a":"b"}}}`) }}
		if err := raced.Resize(t.Context(), change(7, 9)); err != nil {
			t.Errorf("%s: %v after somebody changed a label, want no conflict", name, err)
		}
		wantSize(t, target, copies(9))
	}
}

func TestCopiesAndCoresChangeInOnePatch(t *testing.T) {
	createJob(t)
	spark := open(t, jobObject(), Options{Copies: "/spec/executor/instances", Cores: []string{"/spec/executor/cores"}})
	wantSize(t, spark, scaler.Size{Copies: 4, Cores: 2})
	from, to := scaler.Size{Copies: 4, Cores: 2}, scaler.Size{Copies: 6, Cores: 4}
	if err := spark.Resize(t.Context(), scaler.Change{From: from, To: to}); err != nil {
		t.Fatal(err)
	}
	wantSize(t, spark, to)
	if err := spark.Resize(t.Context(), scaler.Change{From: to, To: scaler.Size{Copies: 6, Cores: 1.5}}); err == nil {
		t.Error("half a core was written to an integer")
	}
	if err := spark.Resize(t.Context(), scaler.Change{From: to, To: scaler.Size{Copies: 21, Cores: 4}}); err == nil || errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want the schema's refusal of more than 20, which is no conflict", err)
	}
	wantSize(t, spark, to)
	patch(t, "admin", jobObject(), `{"spec":{"executor":{"cores":8}}}`)
	if err := spark.Resize(t.Context(), scaler.Change{From: to, To: from}); !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want a conflict: somebody changed the cores", err)
	}
}

func TestCoresOfAContainerAreQuantities(t *testing.T) {
	create(t, workload("Deployment"))
	const cpu = "/spec/template/spec/containers/0/resources/"
	target := open(t, Deployment("default", "etl"), Options{Cores: []string{cpu + "requests/cpu", cpu + "limits/cpu"}})
	from, to := scaler.Size{Copies: 4, Cores: 0.5}, scaler.Size{Copies: 4, Cores: 1.25}
	wantSize(t, target, from)
	if err := target.Resize(t.Context(), scaler.Change{From: from, To: to}); err != nil {
		t.Fatal(err)
	}
	wantSize(t, target, to)
	for _, bad := range []string{"/spec/nothing", "/spec/template/spec/containers/7/x", "/metadata/name"} {
		if _, err := Open(t.Context(), Deployment("default", "etl"), &Options{Config: target.o.Config, Cores: []string{bad}}); err == nil {
			t.Errorf("cores at %s were taken", bad)
		}
	}
}

func TestReadyCopiesAreASignal(t *testing.T) {
	create(t, workload("Deployment"))
	target := open(t, Deployment("default", "etl"), Options{})
	if s, err := target.Read(t.Context()); err != nil || s.Ready.Known() {
		t.Errorf("ready %s (%v) without a status, want unknown", s.Ready, err)
	}
	_, err := as(t, "admin").Resource(target.object.resource()).Namespace("default").Patch(t.Context(), "etl",
		types.MergePatchType, []byte(`{"status":{"replicas":4,"readyReplicas":3}}`), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := target.Read(t.Context()); err != nil || s.Ready.Number != 3 {
		t.Errorf("ready %s (%v), want 3", s.Ready, err)
	}
}

func TestTheExampleRoleIsEnoughAndNotTooMuch(t *testing.T) {
	create(t, workload("Deployment"))
	stranger := cluster(t).Config("scaler")
	if _, err := Open(t.Context(), Deployment("default", "etl"), &Options{Config: stranger}); !apierrors.IsForbidden(err) {
		t.Fatalf("%v, want forbidden without a role", err)
	}
	for _, doc := range strings.Split(readFile(t, "example/rbac.yaml"), "\n---\n") {
		create(t, doc)
	}
	account := cluster(t).Config("admin")
	account.Impersonate.UserName = "system:serviceaccount:default:etl-scaler"
	// The server's authorizer learns of new roles from a cache, a moment later.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if _, err := Open(t.Context(), Deployment("default", "etl"), &Options{Config: account}); !apierrors.IsForbidden(err) {
			break
		}
	}
	target := open(t, Deployment("default", "etl"), Options{Config: account})
	lease, err := NewLease("default", "etl-scaler", &LeaseOptions{Config: account})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := NewMemory("default", "etl-scaler", account)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scaler.New(target, fixed(6), &scaler.Options{Signals: []scaler.Signal{target}, Leader: lease, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d, err := s.Once(t.Context()); err != nil || len(d.Ignored) > 0 {
			t.Errorf("%s: %v, ignored %v", d, err, d.Ignored)
		}
	}
	wantSize(t, target, copies(6))
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
	whole := open(t, Deployment("default", "etl"), Options{})
	whole.client = target.client
	whole.scale = false
	if err := whole.Resize(t.Context(), change(6, 7)); !apierrors.IsForbidden(err) {
		t.Errorf("%v, want the deployment itself to be out of reach", err)
	}
}

func TestForbiddenLeavesTheSize(t *testing.T) {
	create(t, workload("Deployment"))
	target := open(t, Deployment("default", "etl"), Options{})
	reader := *target
	stranger, err := build(target.object, &Options{Config: cluster(t).Config("scaler")})
	if err != nil {
		t.Fatal(err)
	}
	reader.client = &half{target.client, as(t, "scaler").Resource(stranger.object.resource()).Namespace("default")}
	s, err := scaler.New(&reader, fixed(9), &scaler.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Once(t.Context()); !apierrors.IsForbidden(err) || d.Action != scaler.Refused {
		t.Errorf("%s (%v), want a refusal", d, err)
	}
	wantSize(t, target, copies(4))
}

func TestCredentialsComeFromAKubeconfig(t *testing.T) {
	create(t, workload("Deployment"))
	path, err := cluster(t).Kubeconfig("admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", path)
	target, err := Open(t.Context(), Deployment("default", "etl"), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantSize(t, target, copies(4))
}

func TestOpenRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		object Object
		o      Options
	}{
		{Object{}, Options{}},
		{Deployment("default", ""), Options{}},
		{Deployment("default", "etl"), Options{Copies: "spec.replicas"}},
		{Deployment("default", "etl"), Options{Cores: []string{"cores"}}},
	} {
		if _, err := build(c.object, &c.o); err == nil {
			t.Errorf("%+v with %+v was taken", c.object, c.o)
		}
	}
	o := &Options{Config: cluster(t).Config("admin")}
	if _, err := Open(context.Background(), Deployment("default", "nobody"), o); !apierrors.IsNotFound(err) {
		t.Errorf("%v, want not found", err)
	}
}
