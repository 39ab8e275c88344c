package kubernetes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object names what is resized. Resource is the plural in lower case, as in the URL: "deployments".
type Object struct {
	Group, Version, Resource string
	Namespace, Name          string
}

// Deployment names a Deployment.
func Deployment(namespace, name string) Object {
	return Object{"apps", "v1", "deployments", namespace, name}
}

// StatefulSet names a StatefulSet.
func StatefulSet(namespace, name string) Object {
	return Object{"apps", "v1", "statefulsets", namespace, name}
}

// String gives "deployments.apps etl in default".
func (o Object) String() string {
	return fmt.Sprintf("%s.%s %s in %s", o.Resource, o.Group, o.Name, o.Namespace)
}

func (o Object) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: o.Group, Version: o.Version, Resource: o.Resource}
}
