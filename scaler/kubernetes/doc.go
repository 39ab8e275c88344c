// Package kubernetes makes objects of a Kubernetes cluster targets of a scaler: whatever has a scale subresource (a
// Deployment, a StatefulSet, many custom resources), and whatever holds its number of copies and cores in fields, such as
// a Spark application's executors. A Lease lets one of several scalers act, and a ConfigMap can hold the policy's memory.
//
// Credentials come from the pod's service account in a cluster, and from a kubeconfig elsewhere.
//
// # Others who change the same object
//
// A change is one JSON patch that tests the old size and sets the new one, so it never overwrites what somebody else set
// in between: the scaler then sees scaler.ErrConflict, and looks anew in its next step. A HorizontalPodAutoscaler, KEDA or
// a GitOps controller that sets the number of copies too will fight with any scaler. A GitOps controller must leave the
// field alone: by server-side apply of manifests that do not have it, or by ignoreDifferences; see docs/scaling.md.
//
// # Rights
//
// The scaler needs get and patch on the object, or on its scale subresource, and get, create and update on the Lease and
// on the ConfigMap, if they are used. example/rbac.yaml is a role with no more than that, and the tests use it.
package kubernetes
