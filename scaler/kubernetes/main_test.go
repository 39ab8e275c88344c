package kubernetes

import (
	"context"
	"fmt"
	"os"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/onceflow/onceflow/scaler/kubernetes/internal/kubetest"
)

// shared is the control plane of all tests; nil if there is none.
var shared *kubetest.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run starts a control plane if ONCEFLOW_SERVERS=1 says that tests may start servers, as make test does.
func run(m *testing.M) int {
	if os.Getenv("ONCEFLOW_SERVERS") != "1" {
		return m.Run()
	}
	var err error
	if shared, err = kubetest.Start(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	defer shared.Stop()
	return m.Run()
}

func cluster(t *testing.T) *kubetest.Cluster {
	t.Helper()
	if shared == nil {
		t.Skip("needs a real control plane: set ONCEFLOW_SERVERS=1 (make test does)")
	}
	return shared
}

// as is a client with the rights of a user.
func as(t *testing.T, user string) dynamic.Interface {
	t.Helper()
	c, err := dynamic.NewForConfig(cluster(t).Config(user))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parse reads an object from YAML.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var u unstructured.Unstructured
	if err := utilyaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return &u
}

// resources are the plurals of the kinds in the tests.
var resources = map[string]string{
	"Deployment": "deployments", "StatefulSet": "statefulsets", "Role": "roles", "RoleBinding": "rolebindings",
	"ServiceAccount": "serviceaccounts", "CustomResourceDefinition": "customresourcedefinitions", "Job": "jobs",
	"Lease": "leases", "Application": "applications", "Namespace": "namespaces", "ScaledObject": "scaledobjects",
}

func interfaceOf(t *testing.T, c dynamic.Interface, u *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	gvk := u.GroupVersionKind()
	plural, ok := resources[gvk.Kind]
	if !ok {
		t.Fatalf("no plural of %s", gvk.Kind)
	}
	r := c.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural})
	if u.GetNamespace() == "" {
		return r
	}
	return r.Namespace(u.GetNamespace())
}

// create makes an object for the time of a test.
func create(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := parse(t, text)
	r := interfaceOf(t, as(t, "admin"), u)
	made, err := r.Create(t.Context(), u, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create %s %s: %v", u.GetKind(), u.GetName(), err)
	}
	t.Cleanup(func() {
		if err := r.Delete(context.Background(), u.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete %s: %v", u.GetName(), err)
		}
	})
	return made
}

func workload(kind string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {name: etl, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: etl}}
  template:
    metadata: {labels: {app: etl}}
    spec:
      containers:
        - name: etl
          image: etl:1
          resources: {requests: {cpu: 500m}, limits: {cpu: "0.5"}}
`, kind)
}

const jobs = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: jobs.stream.example.com}
spec:
  group: stream.example.com
  scope: Namespaced
  names: {kind: Job, plural: jobs, singular: job}
  versions:
    - name: v1
      served: true
      storage: true
      subresources:
        status: {}
        scale: {specReplicasPath: .spec.workers, statusReplicasPath: .status.workers}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                workers: {type: integer, maximum: 20}
                executor:
                  type: object
                  properties:
                    instances: {type: integer, maximum: 20}
                    cores: {type: integer}
            status:
              type: object
              properties:
                workers: {type: integer}
                ready: {type: integer}
`

const job = `
apiVersion: stream.example.com/v1
kind: Job
metadata: {name: etl, namespace: default}
spec:
  workers: 4
  executor: {instances: 4, cores: 2}
`

func jobObject() Object { return Object{"stream.example.com", "v1", "jobs", "default", "etl"} }

// createJob makes an object of a custom resource. The resource stays for the other tests, since its removal takes a while.
func createJob(t *testing.T) {
	t.Helper()
	crd := parse(t, jobs)
	_, err := interfaceOf(t, as(t, "admin"), crd).Create(t.Context(), crd, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	u := parse(t, job)
	r := interfaceOf(t, as(t, "admin"), u)
	await(t, "the custom resource", func() bool { // the server publishes it some moments after it is created
		_, err := r.Create(t.Context(), u, metav1.CreateOptions{})
		return err == nil
	})
	t.Cleanup(func() {
		if err := r.Delete(context.Background(), u.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}
