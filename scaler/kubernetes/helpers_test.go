package kubernetes

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/onceflow/onceflow/scaler"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fixed is a policy that wants a number of copies.
type fixed int

func (f fixed) Want(scaler.Input) scaler.Want {
	return scaler.Want{Policy: "fixed", Size: copies(int(f)), Why: "fixed"}
}

// interloper does something just before a patch.
type interloper struct {
	dynamic.ResourceInterface
	before func()
}

func (i *interloper) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, sub ...string) (*unstructured.Unstructured, error) {
	i.before()
	return i.ResourceInterface.Patch(ctx, name, pt, data, o, sub...)
}

// half reads with the rights of one user and patches with those of another.
type half struct {
	dynamic.ResourceInterface
	patcher dynamic.ResourceInterface
}

func (h *half) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, sub ...string) (*unstructured.Unstructured, error) {
	return h.patcher.Patch(ctx, name, pt, data, o, sub...)
}
