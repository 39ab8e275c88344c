package kubernetes

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/onceflow/onceflow/scaler"
)

// A GitOps controller applies its manifests again and again by server-side apply. What they do not say stays as it is.
func TestServerSideApplyBesideAGitOpsController(t *testing.T) {
	object := Deployment("default", "etl")
	manifest := parse(t, workload("Deployment"))
	client := as(t, "gitops").Resource(object.resource()).Namespace("default")
	apply := func(force bool) error {
		_, err := client.Apply(t.Context(), "etl", manifest, metav1.ApplyOptions{FieldManager: "argocd-controller", Force: force})
		return err
	}
	if err := apply(false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Delete(context.Background(), "etl", metav1.DeleteOptions{}) })
	target := open(t, object, Options{})
	s, err := scaler.New(target, fixed(9), &scaler.Options{Respect: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSize(t, target, copies(9))

	// The manifest still has the number of copies: without force it is refused, and says by whom.
	if err := apply(false); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "onceflow-scaler") {
		t.Errorf("%v, want a conflict that names the scaler", err)
	}
	wantSize(t, target, copies(9))

	// With force, which Argo CD uses, it takes the field back: the scaler notices and sets it again. They fight.
	if err := apply(true); err != nil {
		t.Fatal(err)
	}
	wantSize(t, target, copies(4))
	if d, err := s.Once(t.Context()); err != nil || d.Outside == nil || d.Action != scaler.Changed {
		t.Errorf("%s, outside %v (%v), want the change noticed and made again", d, d.Outside, err)
	}

	// The manifest without the field leaves the scaler's number alone, forced or not.
	delete(manifest.Object["spec"].(map[string]any), "replicas")
	for _, force := range []bool{false, true} {
		if err := apply(force); err != nil {
			t.Errorf("force %v: %v", force, err)
		}
		wantSize(t, target, copies(9))
	}
	if d, err := s.Once(t.Context()); err != nil || d.Outside != nil || d.Action != scaler.Kept {
		t.Errorf("%s, outside %v (%v), want peace", d, d.Outside, err)
	}
}
