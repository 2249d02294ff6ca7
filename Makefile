# Everything a contributor does, one line each. Needs Go; `make test` and
# `make bench` use mosquitto too, and PostgreSQL (see .ci/run).
FUZZTIME ?= 20s
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

DURATION ?= 30m
ROUNDS ?= 5
MUTANTS ?= 40
SEED ?= 1
LIBS ?= ../electricimp

.PHONY: build test lint check bench bench-agents bench-squirrel bench-cluster libraries upgrade chaos powercut fuzz mutants run

build: ; go build -trimpath -o bin/tandem ./cmd/tandem
test: lint ; go test -race -timeout 15m ./... && go test -tags squirrelcheck ./squirrel/... ./imp
lint: ; test -z "$$(gofmt -l .)" && go vet ./... && $(STATICCHECK) ./...
check: ; go test -tags squirrelcheck -timeout 30m ./squirrel/... ./imp ./agent ./device
bench: build ; go run ./bench/pair -tandem bin/tandem
bench-squirrel: build ; go run ./bench/squirrel -tandem bin/tandem
bench-agents: build ; go run ./bench/pair -tandem bin/tandem agents
bench-cluster: build ; go run ./bench/cluster -tandem bin/tandem
libraries: build ; go run ./bench/libraries -tandem bin/tandem -libs $(LIBS)
upgrade: build ; go run ./bench/cluster -tandem bin/tandem -agents 1000 upgrade
chaos: build ; go run ./bench/cluster -tandem bin/tandem chaos -for $(DURATION)
powercut: build ; go run ./bench/powercut -tandem bin/tandem -rounds $(ROUNDS)
fuzz: ; for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done
mutants: ; go run ./internal/mutate -pkg "$(PKG)" -n $(MUTANTS) -seed $(SEED) -test "$(TESTS)"
run: ; go run ./cmd/tandem dev examples/thermostat
