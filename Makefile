# Everything a contributor does. Needs Go; the tests install what else they use, or name
# the command that does (.ci/setup). `make bench` uses mosquitto and PostgreSQL.
FUZZTIME ?= 20s
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Directories of our modules; a test compares them with the go.mod files.
MODULES = . bench bench/squirrel/peers
BENCH = go run -C bench
BIN ?= bin/tandem
BINARY = -tandem $(abspath $(BIN))
# Debian keeps some programs off the PATH of users.
export PATH := $(PATH):/usr/sbin:/sbin

# Packages whose tests run PostgreSQL or mosquitto's clients; a test looks for them.
SERVERS = cluster cmd/tandem gateway internal/pgtest server store
# Cores and what runs them have no goroutines: the race detector would only make them five times as slow.
PURE = cluster/protocol codec device/core device/identity device/spool gateway/session impunit mqtt placement rehearsal \
	squirrel/compile squirrel/regexp squirrel/syntax squirrel/text store/record store/twin world
UNITS = $$(go list ./... | grep -vxF $(SERVERS:%=-e github.com/tandem-iot/tandem/%) $(PURE:%=-e github.com/tandem-iot/tandem/%))
# What a device links; its tests pass where an int has 32 bits too.
DEVICE = . ./hlc ./board ./codec ./mqtt ./internal/dirlock ./squirrel/... ./imp ./device/... ./cmd/tandem-device
# The race detector needs cgo.
GOTEST = CGO_ENABLED=1 go test -race -timeout 15m

DURATION ?= 30m
ROUNDS ?= 5
SEEDS ?= 200
BUDGET ?=
MUTANTS ?= 40
SEED ?= 1
LIBS ?= ../electricimp
SHORT ?=
ONLY ?=

.NOTPARALLEL:
.PHONY: build devices test test-units test-servers test-faults lint tidy check costs simulate device bench bench-agents bench-squirrel bench-cluster libraries upgrade chaos hostile link powercut fuzz mutants run

build: ; CGO_ENABLED=0 go build -trimpath -o $(BIN) ./cmd/tandem
devices: ; .ci/devices

# The tests: all of them, or one tier. README.md says how long each takes.
test:
	.ci/setup all
	$(MAKE) build test-units test-servers test-faults
test-units:
	.ci/setup units
	$(MAKE) lint
	$(GOTEST) $(UNITS)
	go test -timeout 15m $(PURE:%=./%)
	for m in $(filter-out .,$(MODULES)); do (cd $$m && $(GOTEST) ./...) || exit 1; done
	go test -tags squirrelcheck ./squirrel/... ./imp
	go test -tags squirrelcheck -run TestCosts ./agent ./device
	GOARCH=386 CGO_ENABLED=0 go vet $(DEVICE)
	GOARCH=386 CGO_ENABLED=0 go test $(DEVICE)
test-servers:
	.ci/setup servers
	$(GOTEST) -skip '^TestBrowser$$' $(filter-out ./cmd/tandem,$(SERVERS:%=./%))
	# This one starts hundreds of processes, and each takes a second with the race detector.
	go test -timeout 15m ./cmd/tandem
test-faults:
	.ci/setup faults
	$(GOTEST) -run '^TestBrowser$$' ./server
	$(MAKE) simulate SEEDS=100
	$(MAKE) hostile SHORT=1
	$(MAKE) chaos DURATION=30s
	$(MAKE) link SHORT=1
	$(MAKE) device DURATION=25s
	$(MAKE) devices

lint: ; gofmt -l . && test -z "$$(gofmt -l .)" && for m in $(MODULES); do go vet -C $$m ./... && (cd $$m && $(STATICCHECK) ./...) || exit 1; done
tidy: ; for m in $(MODULES); do (cd $$m && go mod tidy) || exit 1; done
check: ; go test -tags squirrelcheck -timeout 30m ./squirrel/... ./imp ./agent ./device
costs: ; go test -v -run TestCosts ./squirrel ./agent ./device -costs
simulate: ; $(BENCH) ./simulate -seeds $(SEEDS) $(if $(BUDGET),-budget $(BUDGET))
bench: build ; $(BENCH) ./pair $(BINARY)
bench-squirrel: build ; $(BENCH) ./squirrel $(BINARY)
bench-agents: build ; $(BENCH) ./pair $(BINARY) agents
bench-cluster: build ; $(BENCH) ./cluster $(BINARY)
libraries: build ; $(BENCH) ./libraries $(BINARY) -libs $(abspath $(LIBS))
upgrade: build ; $(BENCH) ./cluster $(BINARY) -agents 1000 upgrade
chaos: build ; $(BENCH) ./cluster $(BINARY) chaos -for $(DURATION)
device: build ; $(BENCH) ./device $(BINARY) -for $(DURATION)
hostile: build ; $(BENCH) ./hostile $(BINARY) $(if $(SHORT),-short) $(if $(ONLY),-only '$(ONLY)')
link: build ; $(BENCH) ./link $(BINARY) $(if $(SHORT),-short)
powercut: build ; $(BENCH) ./powercut $(BINARY) -rounds $(ROUNDS) $(if $(DEVICE),-device)
fuzz: ; for m in $(MODULES); do for p in $$(go list -C $$m ./...); do for f in $$(go test -C $$m -list '^Fuzz' $$p | grep '^Fuzz' || true); do go test -C $$m -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done; done
mutants: ; go run ./internal/mutate -pkg "$(PKG)" -n $(MUTANTS) -seed $(SEED) -test "$(TESTS)"
run: ; go run ./cmd/tandem dev examples/thermostat
