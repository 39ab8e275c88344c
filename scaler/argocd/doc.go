// Package argocd makes what Argo CD deploys a target of a scaler, without a fight: the number of copies is changed where
// Argo CD takes it from, so that the cluster and the source of truth agree at every moment.
//
// There are two ways. Application sets the parameters of an application through Argo CD's API: quick, and seen in its user
// interface, but not in Git. Values commits to a values file in Git: slower by the time until Argo CD looks (3 minutes by
// default, or at once by a webhook), but each step is a commit that says why, and can be reverted.
//
// The third way is package scaler/kubernetes beside an application that ignores the field: see docs/scaling.md.
//
// # What was tested
//
// Values is tested with real Git repositories. Application is tested with a double of the API server whose requests and
// replies are checked against Argo CD's published OpenAPI description; it has not been run against a real server. The
// example's manifest is checked by a real Kubernetes API server with Argo CD's resource definition.
//
// Values needs the program git.
package argocd
