package servers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// KafkaOptions are the optional settings of a Kafka cluster; nil means all defaults.
type KafkaOptions struct {
	// Brokers is their number. Each is a controller too.
	//
	// Defaults to 1.
	Brokers int

	// Dir is where the folder with data and logs is made. Defaults to the system's folder for temporary files.
	Dir string

	// Session is how long a killed broker stays a member: it cannot come back before, nor are its partitions led by
	// another one.
	//
	// Defaults to 1.5 seconds.
	Session time.Duration

	// Advertise maps a broker's own port to the one clients are told, such as a proxy's.
	Advertise func(port int) (int, error)

	// Protocol is what clients speak: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. Brokers speak plaintext to each other.
	// What keys and users there are goes into Properties, whose names for it begin with "listener.name.client.".
	//
	// Defaults to PLAINTEXT.
	Protocol string

	// Scram are users that are made with the cluster, as "SCRAM-SHA-256=[name=alice,password=secret]".
	Scram []string

	// Racks puts broker n, counted from 1, into the rack "rack-n".
	Racks bool

	// Properties are added to server.properties, over what is there.
	Properties map[string]string
}

// properties of a node for tests: few and small internal topics, quick recovery, short sessions allowed.
func (n *kafkaNode) properties(c *Kafka, voters string) string {
	rf := min(len(c.nodes), 3)
	isr := max(1, rf-1)
	p := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          fmt.Sprint(n.id),
		"controller.quorum.voters":                         voters,
		"controller.listener.names":                        "CONTROLLER",
		"listeners":                                        fmt.Sprintf("CLIENT://%s,INTERNAL://%s,CONTROLLER://%s", addr(n.port), addr(n.internal), addr(n.control)),
		"advertised.listeners":                             fmt.Sprintf("CLIENT://%s,INTERNAL://%s", addr(n.advertised), addr(n.internal)),
		"listener.security.protocol.map":                   "CLIENT:" + c.opts.Protocol + ",INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":                       "INTERNAL",
		"log.dirs":                                         n.dir + "/data",
		"offsets.topic.num.partitions":                     "4",
		"offsets.topic.replication.factor":                 fmt.Sprint(rf),
		"transaction.state.log.num.partitions":             "4",
		"transaction.state.log.replication.factor":         fmt.Sprint(rf),
		"transaction.state.log.min.isr":                    fmt.Sprint(isr),
		"share.coordinator.state.topic.replication.factor": fmt.Sprint(rf),
		"share.coordinator.state.topic.min.isr":            fmt.Sprint(isr),
		"default.replication.factor":                       fmt.Sprint(rf),
		"min.insync.replicas":                              fmt.Sprint(isr),
		"group.initial.rebalance.delay.ms":                 "0",
		"group.min.session.timeout.ms":                     "500",
		"auto.create.topics.enable":                        "false",
		"num.network.threads":                              "2",
		"num.io.threads":                                   "2",
		"background.threads":                               "2",
		"log.cleaner.dedupe.buffer.size":                   "4194304",
		"log.retention.check.interval.ms":                  "1000",
		"broker.session.timeout.ms":                        fmt.Sprint(c.opts.Session.Milliseconds()),
		"broker.heartbeat.interval.ms":                     "250",
		"controller.quorum.election.timeout.ms":            "500",
		"controller.quorum.fetch.timeout.ms":               "1000",
	}
	if c.opts.Racks {
		p["broker.rack"] = fmt.Sprintf("rack-%d", n.id)
	}
	maps.Copy(p, c.opts.Properties)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", k, p[k])
	}
	return b.String()
}

const kafkaLogging = `status=error
appender.f.type=Console
appender.f.name=F
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.f.ref=F
`
