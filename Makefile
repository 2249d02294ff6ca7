# Everything a contributor does, one line each. Needs Go; `make test` and
# `make bench` use mosquitto too, and PostgreSQL (see .ci/run).
FUZZTIME ?= 20s
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Directories of our modules; a test compares them with the go.mod files.
MODULES = . bench bench/squirrel/peers
BENCH = go run -C bench
BINARY = -tandem $(CURDIR)/bin/tandem

DURATION ?= 30m
ROUNDS ?= 5
SEEDS ?= 200
BUDGET ?=
MUTANTS ?= 40
SEED ?= 1
LIBS ?= ../electricimp
SHORT ?=
ONLY ?=

.PHONY: build test lint tidy check costs simulate bench bench-agents bench-squirrel bench-cluster libraries upgrade chaos hostile powercut fuzz mutants run

build: ; go build -trimpath -o bin/tandem ./cmd/tandem
test: lint ; for m in $(MODULES); do go test -C $$m -race -timeout 15m ./... || exit 1; done && go test -tags squirrelcheck ./squirrel/... ./imp && go test -tags squirrelcheck -run TestCosts ./agent ./device
lint: ; test -z "$$(gofmt -l .)" && for m in $(MODULES); do go vet -C $$m ./... && (cd $$m && $(STATICCHECK) ./...) || exit 1; done
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
hostile: build ; $(BENCH) ./hostile $(BINARY) $(if $(SHORT),-short) $(if $(ONLY),-only '$(ONLY)')
powercut: build ; $(BENCH) ./powercut $(BINARY) -rounds $(ROUNDS)
fuzz: ; for m in $(MODULES); do for p in $$(go list -C $$m ./...); do for f in $$(go test -C $$m -list '^Fuzz' $$p | grep '^Fuzz' || true); do go test -C $$m -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done; done
mutants: ; go run ./internal/mutate -pkg "$(PKG)" -n $(MUTANTS) -seed $(SEED) -test "$(TESTS)"
run: ; go run ./cmd/tandem dev examples/thermostat
