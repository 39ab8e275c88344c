# `make test` is what continuous integration runs. Everything it installs goes into CACHE.
SHELL  := bash
CACHE  ?= $(if $(ONCEFLOW_CACHE),$(ONCEFLOW_CACHE),$(HOME)/.cache/onceflow)
BIN    := $(CACHE)/bin
LINT   := $(BIN)/golangci-lint-v2.15.0
APIDIFF_VERSION := v0.0.0-20261113113407-e3970619a1a4
APIDIFF := $(BIN)/apidiff-$(APIDIFF_VERSION)
SEEDS  ?= 20000
KILLS  ?= 100
BENCH  ?=
OUT    ?= out
CHROMIUM ?= chromium
# The modules beside the root, each with its own go.mod.
MODULES := $(patsubst %/go.mod,%,$(shell git ls-files '*/go.mod'))

SHARED  := env eventclock gather ledger limits lineage retry steady tail when
RELEASE := go run ./internal/release/cmd/release

# Tests that need real servers run too. Without these two variables, as with plain go test, they are skipped.
SERVERS := ONCEFLOW_SERVERS=1 ONCEFLOW_CACHE=$(CACHE)

.PHONY: oracle autoscale engines newsroom newsroom-kill newsroom-latency page tenants tidy check-tidy lines release installable api test servers unit race lint vet modules sim sim-reshard sim-short mutants year fuzz vuln kill torture torture-short torture-kinesis torture-kinesis-short zombies bench bench-hour bench-kafka bench-postgres bench-short ingest ingest-kill bench-ingest bench-audit

test: vet lint check-tidy servers unit race sim-short mutants modules installable api torture-short torture-kinesis-short bench-short
	@echo all tests passed

# Needs a JDK, Maven, npm and Python, and once some minutes.
servers:
	ONCEFLOW_CACHE=$(CACHE) go run ./internal/servers/cmd/servers install
	cd scaler/kubernetes && ONCEFLOW_CACHE=$(CACHE) go run ./internal/controlplane/install

vet:
	go vet ./...

unit:
	$(SERVERS) go test ./...

# Without the tests of allocations and of codecs alone, which have no goroutines and take minutes here.
race:
	go test -race -short -skip 'DoesNotAllocate|ConcatenatedFrames|ForeignPrograms' ./stream/... ./sink/... ./seal/... ./dedup/... ./join/... ./scaler/...

$(LINT):
	mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(BIN)/golangci-lint $@

lint: $(LINT)
	$(LINT) run ./...

# Two at once, since most of their time goes into waiting for servers.
modules: $(LINT)
	@printf '%s\n' $(MODULES) | xargs -P 2 -I{} sh -c 'echo "== {}" && cd {} && go vet ./... && $(LINT) run --allow-parallel-runners ./... && \
		$(SERVERS) go test ./... && go test -race -short ./... || { echo "== {} fails"; exit 1; }'

$(APIDIFF):
	mkdir -p $(BIN)
	GOBIN=$(BIN) go install golang.org/x/exp/cmd/apidiff@$(APIDIFF_VERSION)
	mv $(BIN)/apidiff $@

# What the modules export, beside the last release: incompatible changes must stand in CHANGELOG.md.
api: $(APIDIFF)
	$(RELEASE) api -apidiff $(APIDIFF)

# Makes a release of all modules in a clone, which it says how to push. VERSION=v0.1.0
release: $(APIDIFF)
	$(RELEASE) api -apidiff $(APIDIFF)
	$(RELEASE) prepare -version $(VERSION) -modules $(CACHE)/release-modules

# Tries it, without the tests of each module.
installable:
	$(RELEASE) prepare -quick -version v0.0.1-try -modules $(CACHE)/release-modules

sim:
	go run ./internal/sim/cmd/sim -seeds $(SEEDS)

# Opens the status page in a browser, which must take it without a word; pictures of it go to OUT. Debian's package is chromium.
page:
	mkdir -p $(OUT)
	ONCEFLOW_CHROMIUM=$(CHROMIUM) ONCEFLOW_PICTURES=$(abspath $(OUT)) go test -count=1 -timeout 10m -v -run Chromium ./stream/monitor

# The same with partitions that split and merge in every seed; in sim they do in two of five.
sim-reshard:
	go run ./internal/sim/cmd/sim -seeds $(SEEDS) -reshard

# Joins beside their references, on more inputs than make test has.
oracle:
	ONCEFLOW_INPUTS=10000 go test -count=1 -timeout 90m ./join

sim-short:
	go run ./internal/sim/cmd/sim -seeds 500

# Plants each known mistake and fails if the tests do not notice one.
mutants:
	go run ./internal/mutant/cmd

# Every fuzz target for a while each.
fuzz:
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
		go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} $$p || exit 1; done; done

# The ledger of a followed folder with 20 files a minute for a year: 10.5 million files, some ten minutes.
year:
	ONCEFLOW_DAYS=365 go test -count=1 -timeout 120m -v -run TestAYearOfAFollowedFolder ./internal/ledger

# Compares scaling policies on load traces: a table here, a chart of each trace in OUT.
autoscale:
	go run ./examples/autoscale -out $(OUT)

# Dedup, join and six flows on this disk, and a comparison with what must come out.
newsroom:
	cd examples/newsroom && go run . -out $(abspath $(OUT))/newsroom

# Kills it again and again, on disk, on Kafka, MinIO and Redis, on Kinesis: 25 times each, some twenty minutes.
newsroom-kill:
	cd examples/newsroom && $(SERVERS) ONCEFLOW_KILLS=25 go test -count=1 -timeout 60m -v -run ThoughKilled .

# Hits that happen while it runs: how long they take to a visible file, at a commit every 2 seconds, then every minute.
newsroom-latency:
	cd examples/newsroom && go run . -out $(abspath $(OUT))/newsroom-live-2s -live 1m
	cd examples/newsroom && go run . -out $(abspath $(OUT))/newsroom-live-1m -live 3m -commit 1m

# A million clicks of 15,000 advertisers, which ten workers pull by key, while all of them and the job are killed: some five minutes.
tenants:
	ONCEFLOW_TENANTS=300 go test -count=1 -timeout 60m -v -run ThoughAllAreKilled ./examples/tenants

# An endpoint, a job and an auditor on this disk, which lose a tenth of the batches on purpose. docs/audit.md.
ingest:
	rm -rf $(OUT)/ingest
	go run ./examples/ingest -out $(abspath $(OUT))/ingest

# 10,000 batches through the three as processes of their own, which are killed 50 times: some two minutes.
ingest-kill:
	ONCEFLOW_INGEST_BATCHES=10000 ONCEFLOW_KILLS=50 go test -count=1 -timeout 60m -v -run Killed ./examples/ingest

# What the usual readers make of the output: each line of docs/reading.md. The first time it installs them, 1.5 GB.
engines:
	cd internal/engines && $(SERVERS) ONCEFLOW_ENGINES=1 go test -count=1 -timeout 60m -v ./...

# go mod tidy for all modules, which know each other by go.work only. test has the check.
tidy:
	$(RELEASE) tidy

check-tidy:
	$(RELEASE) tidy -check

# Lines of production Go, of the working tree or of REV: without tests, examples, the top-level internal and test kits. Then those of
# the packages below the top-level internal that production code imports, into which it could hide.
lines:
	@git grep -c '' $(REV) -- '*.go' ':!*_test.go' ':!examples' ':!*/example/*' ':!internal' ':!*/sinktest/*' ':!*/streamtest/*' ':!*/deduptest/*' ':!*/deliverytest/*' ':!*/audittest/*' \
		':!scaler/kubernetes/internal/kubetest' ':!scaler/kubernetes/internal/controlplane' | awk -F: '{ n += $$NF } END { print n, "lines" }'
	@git grep -c '' $(REV) -- $(SHARED:%='internal/%/*.go') ':!*_test.go' | awk -F: '{ n += $$NF } END { print n, "lines below internal" }'

# Needs the vulnerability database, so it is not part of test.
vuln:
	go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

# Kills the quickstart with SIGKILL again and again and verifies what it wrote.
kill:
	ONCEFLOW_KILLS=$(KILLS) go test -count=1 -timeout 60m -run Kill ./examples/quickstart

# Real processes, brokers and a store, killed and paused at random, and the output compared with what was acknowledged.
torture:
	$(SERVERS) go run ./internal/torture/cmd/torture -kills $(KILLS) -brokers 1
	$(SERVERS) go run ./internal/torture/cmd/torture -kills $(KILLS) -brokers 3 -broker-every 20s

torture-short:
	$(SERVERS) go run ./internal/torture/cmd/torture -kills 10

# The same for a Kinesis stream that splits and merges, on emulators of Kinesis and DynamoDB.
torture-kinesis:
	$(SERVERS) go run ./internal/torture/cmd/torture -kinesis -kills $(KILLS)

# With a wider bound of recoveries, since whoever runs all tests often does other things beside.
torture-kinesis-short:
	$(SERVERS) go run ./internal/torture/cmd/torture -kinesis -kills 5 -quick -recovery 30s

# Workers that are stopped for a minute at each step of the protocol, and go on. The unit tests have the short form.
zombies:
	$(SERVERS) ONCEFLOW_ZOMBIE_STOP=60s go test -count=1 -run Zombie -parallel 8 -v ./internal/torture

# CPU time per event beside a loop written by hand; BENCH='zstd' runs the variants whose names match. docs/performance.md.
bench:
	ONCEFLOW_CACHE=$(CACHE) go run ./examples/bench -only '$(BENCH)'

# An hour of so many GB of packs, merged on the local disk, and commits beside a merge. docs/performance.md.
HOUR ?= 4
bench-hour:
	go run ./examples/bench -hour $(HOUR)

# CPU time per record of this library's Kafka source, sarama's consumers and franz-go. docs/decisions/0021-kafka-fetch-path.md.
bench-kafka:
	cd examples/bench-kafka && ONCEFLOW_CACHE=$(CACHE) go run . -only '$(BENCH)'

# Rows per second of a delivery to PostgreSQL, beside psql's copy of the same rows. docs/delivery.md.
bench-postgres:
	cd sink/delivery/postgres && $(SERVERS) go test -count=1 -run '^$$' -bench Load -benchtime 3x .

# Events per second and CPU time per event of the endpoint on one core, beside a handler that only appends. docs/audit.md.
bench-ingest:
	go test -count=1 -run '^$$' -bench Endpoint -benchtime 5s ./examples/ingest

# What the stage costs an event, and an audit of a million batches in time and memory. docs/audit.md.
bench-audit:
	go test -count=1 -run '^$$' -bench 'Count|Check/in_order' ./sink/audit

# Checks only what the variants write.
bench-short:
	ONCEFLOW_CACHE=$(CACHE) go run ./examples/bench -smoke
