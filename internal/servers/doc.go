// Package servers installs, starts and stops the real servers that tests, the torture program and the examples run
// against: Kafka, the S3 servers MinIO and versitygw, a GCS emulator, Azurite, toxiproxy, Redis, PostgreSQL, DynamoDB Local and
// Kinesis emulators. It also installs packages of Python and jars for programs that read files.
//
// Everything is installed by ordinary package clients (Maven, Go, npm, pip, apt) into one cache folder, once, also when
// several processes want it at the same time. Servers listen on loopback, on a free port outside the range from which
// the system takes ports for outgoing connections, so that a killed server can come back on its port.
//
// # Limits
//
// A server ends with Stop. On Linux the kernel kills it when this process dies, however that happens; elsewhere a server
// outlives a process that was killed. Package servertest is the way in for tests.
package servers
