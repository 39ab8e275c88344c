package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports below this range are often taken, and those above are given to outgoing connections, which could sit on the
// port of a server that is down for a moment.
const (
	firstPort = 14000
	lastPort  = 31999
)

// Port returns a TCP port that nothing listens on. No other process gets the same one from its cache soon.
func (c *Cache) Port(ctx context.Context) (int, error) {
	unlock, err := c.lock(ctx, "ports")
	if err != nil {
		return 0, err
	}
	defer unlock()
	file := filepath.Join(c.dir, "locks", "last-port")
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	port, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	for range lastPort - firstPort {
		if port++; port < firstPort || port > lastPort {
			port = firstPort
		}
		if free(port) {
			return port, os.WriteFile(file, []byte(strconv.Itoa(port)), 0o666)
		}
	}
	return 0, fmt.Errorf("servers: no free port in %d-%d", firstPort, lastPort)
}

func (c *Cache) ports(ctx context.Context, n int) ([]int, error) {
	out := make([]int, 0, n)
	for range n {
		p, err := c.Port(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// front listens for a proxy of ours in front of a server.
func (c *Cache) front(ctx context.Context, endpoint string) (l net.Listener, port int, to *url.URL, err error) {
	if to, err = url.Parse(endpoint); err != nil {
		return nil, 0, nil, err
	}
	if port, err = c.Port(ctx); err != nil {
		return nil, 0, nil, err
	}
	l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr(port))
	return l, port, to, err
}

func free(port int) bool {
	l, err := net.Listen("tcp", addr(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
