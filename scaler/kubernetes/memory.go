package kubernetes

import (
	"context"
	"fmt"
	"io/fs"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/onceflow/onceflow/scaler"
)

const memoryKey = "scaler.json"

type memory struct {
	namespace, name string
	client          coreclient.ConfigMapInterface
}

// NewMemory keeps a scaler's memory in a ConfigMap of its own, so that it outlives pods. A nil config is the one that the
// function Config finds.
func NewMemory(namespace, name string, config *rest.Config) (scaler.Memory, error) {
	config, err := configOr(config)
	if err != nil {
		return nil, err
	}
	client, err := coreclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: memory: %w", err)
	}
	return &memory{namespace, name, client.ConfigMaps(namespace)}, nil
}

// Load reads the ConfigMap.
func (m *memory) Load(ctx context.Context) ([]byte, error) {
	c, err := m.client.Get(ctx, m.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes: memory: %w", err)
	}
	text, ok := c.Data[memoryKey]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

// Save writes the ConfigMap, and makes it the first time.
func (m *memory) Save(ctx context.Context, b []byte) error {
	c := &core.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: m.name, Namespace: m.namespace},
		Data:       map[string]string{memoryKey: string(b)},
	}
	_, err := m.client.Update(ctx, c, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = m.client.Create(ctx, c, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("kubernetes: memory: %w", err)
	}
	return nil
}
