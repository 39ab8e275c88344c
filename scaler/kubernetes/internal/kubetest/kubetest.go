// Package kubetest starts a real Kubernetes control plane for tests: etcd and kube-apiserver, without nodes and without
// controllers, so that statuses are what a test writes.
package kubetest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/onceflow/onceflow/scaler/kubernetes/internal/controlplane"
)

// Cluster is a control plane that runs until Stop.
type Cluster struct {
	dir     string
	address string
	etcd    *process
	server  *process
}

// tokens are the users: an administrator, one without any rights of its own, and a GitOps controller with all rights.
const tokens = `admin-token,admin,1,"system:masters"
scaler-token,scaler,2
gitops-token,gitops,3,"system:masters"
`

// Start starts a cluster. It builds the programs first if they are not there, which takes some minutes.
func Start(ctx context.Context) (*Cluster, error) {
	programs, err := controlplane.Install(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	if err := c.start(ctx, programs); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, programs controlplane.Programs) error {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if c.etcd, err = c.run(ctx, programs.Etcd, "--name=t", "--data-dir="+filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=t="+peer); err != nil {
		return err
	}
	if err := c.etcd.ready(ctx, client+"/health", ""); err != nil {
		return err
	}
	c.address = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	if c.server, err = c.run(ctx, programs.APIServer, "--etcd-servers="+client,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--cert-dir="+filepath.Join(c.dir, "pki"), "--token-auth-file="+c.path("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.path("sa.key"),
		"--service-account-signing-key-file="+c.path("sa.key"), "--service-cluster-ip-range=10.0.0.0/24",
		"--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"); err != nil {
		return err
	}
	return c.server.ready(ctx, c.address+"/readyz", "admin-token")
}

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return errors.Join(os.WriteFile(c.path("sa.key"), block, 0o600), os.WriteFile(c.path("tokens.csv"), []byte(tokens), 0o600))
}

// Config has the credentials of a user: admin, scaler or gitops.
func (c *Cluster) Config(user string) *rest.Config {
	return &rest.Config{
		Host: c.address, BearerToken: user + "-token", QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(c.dir, "pki", "apiserver.crt")},
	}
}

// Kubeconfig writes a kubeconfig file for a user.
func (c *Cluster) Kubeconfig(user string) (path string, err error) {
	path = c.path("kubeconfig." + user)
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"t",
"clusters":[{"name":"t","cluster":{"server":%q,"certificate-authority":%q}}],
"users":[{"name":"t","user":{"token":"%s-token"}}],"contexts":[{"name":"t","context":{"cluster":"t","user":"t"}}]}`,
		c.address, filepath.Join(c.dir, "pki", "apiserver.crt"), user)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// Stop ends the cluster and removes its files.
func (c *Cluster) Stop() error {
	return errors.Join(c.server.stop(), c.etcd.stop(), os.RemoveAll(c.dir))
}

func freePorts(ctx context.Context, n int) (ports []int, err error) {
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, l.Close()) }() // after the last, so that all differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// ready waits until a URL answers 200, or the process ends.
func (p *process) ready(ctx context.Context, url, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(ctx, url, token) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.name, ctx.Err(), p.tail())
		}
	}
}

func answers(ctx context.Context, url, token string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := insecure.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
