package kubernetes

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// published is the module that has Argo CD's resource definitions.
const published = "github.com/argoproj/argo-cd/v3@v3.5.7"

// The example of package argocd is what Argo CD's own resource definition allows, field by field. Without Argo CD itself
// this says nothing about what it does with them.
func TestTheArgoCDExampleIsAsItsDefinitionSays(t *testing.T) {
	client := as(t, "admin")
	out, err := exec.Command("go", "mod", "download", "-json", published).Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatalf("download %s: %v: %s", published, err, out)
	}
	create(t, readFile(t, filepath.Join(module.Dir, "manifests", "crds", "application-crd.yaml")))
	create(t, "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}")

	app := parse(t, readFile(t, "../argocd/example/application.yaml"))
	try := func(edit func(*unstructured.Unstructured)) error {
		u := app.DeepCopy()
		if edit != nil {
			edit(u)
		}
		_, err := interfaceOf(t, client, u).Create(t.Context(), u, metav1.CreateOptions{
			FieldValidation: metav1.FieldValidationStrict, DryRun: []string{metav1.DryRunAll},
		})
		return err
	}
	await(t, "the definition", func() bool { return !apierrors.IsNotFound(try(nil)) })
	if err := try(nil); err != nil {
		t.Errorf("the example: %v", err)
	}
	spoiled := func(u *unstructured.Unstructured) {
		differences := u.Object["spec"].(map[string]any)["ignoreDifferences"].([]any)
		differences[0].(map[string]any)["jsonPointer"] = "/spec/replicas"
	}
	if err := try(spoiled); err == nil || !strings.Contains(err.Error(), "jsonPointer") {
		t.Errorf("%v, want a misspelled field to be refused: else the check shows nothing", err)
	}
}
