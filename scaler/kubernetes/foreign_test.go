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

// foreign are manifests for other projects' resources, and where those publish their definitions: in a Go module.
var foreign = []struct {
	module, definition, example string
	in                          []string // a mapping of the example, for a misspelled field
}{
	{"github.com/argoproj/argo-cd/v3@v3.5.7", "manifests/crds/application-crd.yaml", "../argocd/example/application.yaml", []string{"spec", "source"}},
	{"github.com/kedacore/keda/v2@v2.20.2", "config/crd/bases/keda.sh_scaledobjects.yaml", "../keda/example/scaledobject.yaml", []string{"spec", "advanced"}},
}

// The examples are what the other projects' own definitions allow, field by field. Without those projects' controllers this
// says nothing about what they do with them.
func TestExamplesForOtherProjectsAreAsTheirDefinitionsSay(t *testing.T) {
	client := as(t, "admin")
	create(t, "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}")
	for _, f := range foreign {
		t.Run(filepath.Base(f.example), func(t *testing.T) {
			out, err := exec.Command("go", "mod", "download", "-json", f.module).Output()
			var module struct{ Dir string }
			if err == nil {
				err = json.Unmarshal(out, &module)
			}
			if err != nil {
				t.Fatalf("download %s: %v: %s", f.module, err, out)
			}
			create(t, readFile(t, filepath.Join(module.Dir, f.definition)))
			example := parse(t, readFile(t, f.example))
			try := func(u *unstructured.Unstructured) error {
				_, err := interfaceOf(t, client, u).Create(t.Context(), u, metav1.CreateOptions{
					FieldValidation: metav1.FieldValidationStrict, DryRun: []string{metav1.DryRunAll},
				})
				return err
			}
			await(t, "the definition", func() bool { return !apierrors.IsNotFound(try(example)) })
			if err := try(example); err != nil {
				t.Errorf("the example: %v", err)
			}
			if err := unstructured.SetNestedField(example.Object, "x", append(f.in, "nonsense")...); err != nil {
				t.Fatal(err)
			}
			if err := try(example); err == nil || !strings.Contains(err.Error(), "nonsense") {
				t.Errorf("%v, want a misspelled field to be refused: else the check shows nothing", err)
			}
		})
	}
}
