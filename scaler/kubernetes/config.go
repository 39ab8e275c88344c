package kubernetes

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config finds credentials: the kubeconfig that KUBECONFIG names, else the one in the home folder, else the service account
// of the pod.
func Config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: find credentials: %w", err)
	}
	return c, nil
}

func configOr(c *rest.Config) (*rest.Config, error) {
	if c != nil {
		return c, nil
	}
	return Config()
}
