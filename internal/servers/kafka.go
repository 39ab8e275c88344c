package servers

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	kafkaVersion = "4.4.0"
	log4jVersion = "2.25.3"

	// clusterID is the same in every cluster; sources that must tell clusters apart set another by formatting anew.
	clusterID = "AAAAAAAAQACAAAAAAAAAAQ"
)

// Kafka is a running cluster of real brokers. Its methods are safe for concurrent use.
type Kafka struct {
	home  string
	dir   string
	opts  KafkaOptions
	nodes []*kafkaNode
}

type kafkaNode struct {
	id, port, internal, control, advertised int

	dir string

	mu   sync.Mutex
	proc *Process
}

// InstallKafka installs the broker's jars by Maven; it needs a JDK.
func InstallKafka(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "kafka", kafkaVersion, func(ctx context.Context, dir string) error {
		return maven(ctx, dir,
			// 4.4.0: the jar of kafka-tools-api is missing; only a tool that is not used here needs it.
			jar{"org.apache.kafka", "kafka_2.13", kafkaVersion, []string{"kafka-tools-api"}},
			jar{"org.apache.logging.log4j", "log4j-slf4j-impl", log4jVersion, nil},
			jar{"org.apache.logging.log4j", "log4j-core", log4jVersion, nil})
	})
}

// StartKafka starts a cluster and waits until every broker serves.
func StartKafka(ctx context.Context, c *Cache, o *KafkaOptions) (*Kafka, error) {
	home, err := InstallKafka(ctx, c)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &KafkaOptions{}
	}
	k := &Kafka{home: home, opts: *o}
	k.opts.Brokers = cmp.Or(o.Brokers, 1)
	k.opts.Protocol = cmp.Or(o.Protocol, "PLAINTEXT")
	k.opts.Session = cmp.Or(o.Session, 1500*time.Millisecond)
	if k.dir, err = temp(o.Dir, "kafka"); err != nil {
		return nil, err
	}
	for i := range k.opts.Brokers {
		ports, err := c.ports(ctx, 3)
		if err != nil {
			return nil, err
		}
		n := &kafkaNode{id: i + 1, port: ports[0], control: ports[1], internal: ports[2], advertised: ports[0], dir: filepath.Join(k.dir, fmt.Sprint(i+1))}
		if o.Advertise != nil {
			if n.advertised, err = o.Advertise(n.port); err != nil {
				return nil, err
			}
		}
		k.nodes = append(k.nodes, n)
	}
	err = k.each(func(n *kafkaNode) error { return k.format(ctx, n) })
	if err == nil {
		err = k.each(func(n *kafkaNode) error { return k.start(ctx, n) })
	}
	if err != nil {
		k.Stop()
		return nil, err
	}
	return k, nil
}

// each calls f for all nodes at once and returns the first error.
func (k *Kafka) each(f func(*kafkaNode) error) error {
	errs := make(chan error, len(k.nodes))
	for _, n := range k.nodes {
		go func() { errs <- f(n) }()
	}
	var first error
	for range k.nodes {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (k *Kafka) voters() string {
	var v []string
	for _, n := range k.nodes {
		v = append(v, fmt.Sprintf("%d@%s", n.id, addr(n.control)))
	}
	return strings.Join(v, ",")
}

func (k *Kafka) java(n *kafkaNode, class string, args ...string) []string {
	return append([]string{
		"java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + filepath.Join(n.dir, "log4j2.properties"), "-cp", k.home + "/libs/*", class,
	}, args...)
}

func (n *kafkaNode) config() string { return filepath.Join(n.dir, "server.properties") }

func (k *Kafka) format(ctx context.Context, n *kafkaNode) error {
	if err := os.MkdirAll(n.dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(n.config(), []byte(n.properties(k, k.voters())), 0o666); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(n.dir, "log4j2.properties"), []byte(kafkaLogging), 0o666); err != nil {
		return err
	}
	args := k.java(n, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.config())
	for _, u := range k.opts.Scram {
		args = append(args, "--add-scram", u)
	}
	return run(ctx, n.dir, nil, args[0], args[1:]...)
}

func (k *Kafka) start(ctx context.Context, n *kafkaNode) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && n.proc.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var err error
	n.proc, err = start(ctx, spec{
		name: fmt.Sprintf("kafka broker %d", n.id), args: k.java(n, "kafka.Kafka", n.config()),
		log: filepath.Join(n.dir, "kafka.log"), ready: listens(n.port),
	})
	return err
}

// Brokers are the addresses that clients are told.
func (k *Kafka) Brokers() []string {
	var out []string
	for _, n := range k.nodes {
		out = append(out, addr(n.advertised))
	}
	return out
}

// Process is broker i, counted from 0; nil if it never started.
func (k *Kafka) Process(i int) *Process {
	k.nodes[i].mu.Lock()
	defer k.nodes[i].mu.Unlock()
	return k.nodes[i].proc
}

// DataDir is where broker i keeps its logs, one folder for each partition.
func (k *Kafka) DataDir(i int) string { return filepath.Join(k.nodes[i].dir, "data") }

// Kill ends broker i with SIGKILL.
func (k *Kafka) Kill(i int) {
	if p := k.Process(i); p != nil {
		p.Kill()
	}
}

// Restart starts broker i again over its data and waits until it serves. A killed one comes back only after its old
// session has ended.
func (k *Kafka) Restart(ctx context.Context, i int) error { return k.start(ctx, k.nodes[i]) }

// Stop ends all brokers and deletes their data.
func (k *Kafka) Stop() {
	_ = k.each(func(n *kafkaNode) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.proc != nil {
			n.proc.Kill() // nothing is kept, so nothing need be flushed
		}
		return nil
	})
	_ = os.RemoveAll(k.dir)
}

// Logs returns the last lines of each broker's log, for the report of a failed test.
func (k *Kafka) Logs() string {
	var b strings.Builder
	for i := range k.nodes {
		if p := k.Process(i); p != nil {
			fmt.Fprintf(&b, "-- %s\n%s\n", p.name, p.Tail(30))
		}
	}
	return b.String()
}
