# gamefill: `make` lists the targets.
GO ?= go
BIN := bin
# Packages whose concurrency is worth the race detector's time on every check.
RACED := ./internal/queue/... ./internal/ledger/... ./internal/warehouse/... ./internal/sqlitefile/... ./internal/worker/... ./internal/publisher/...

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build both binaries into bin/, static
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/publisher ./cmd/worker

# The image's name, its version as a label, and the platform's own docker.
IMAGE ?= gamefill:local
.PHONY: image
image: ## Build the container image IMAGE with both programs
	docker build -f deploy/Dockerfile --build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) --build-arg REVISION=$$(git rev-parse HEAD) -t $(IMAGE) .

.PHONY: sbom
sbom: ## Write what is linked into each program as CycloneDX, into bin/
	@mkdir -p $(BIN)
	for program in worker publisher; do \
		$(GO) run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 app -json -main cmd/$$program -output $(BIN)/$$program.cdx.json . || exit 1; done

.PHONY: demo
demo: build ## Run the whole job on an invented league season, in bin/demo.db
	$(BIN)/publisher demo --fresh --file $(BIN)/demo.db

.PHONY: test
test: ## Run every test
	$(GO) test -shuffle=on ./...
	$(GO) test -tags crashtest ./internal/faultinject

.PHONY: race
race: ## Run the tests of engine, queue, ledger and warehouse under the race detector
	$(GO) test -race -short $(RACED)

.PHONY: lint
lint: ## Check format, vet, staticcheck, and that go.mod is tidy
	@unformatted=$$(gofmt -l cmd internal test examples deploy docs); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashtest ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

.PHONY: generated
generated: ## Check that generated files are what their generators make
	$(GO) run examples/first-games/generate.go -check
	$(GO) run docs/sizing/generate.go -check
	$(GO) run deploy/schema/generate.go -check

# A module of its own: Kubernetes' and KEDA's types are many times the program.
.PHONY: manifests
manifests: ## Decode the Dockerfile and all manifests strictly, as their APIs' types have it
	cd deploy/validate && $(GO) vet ./... && $(GO) test -count=1 ./...

.PHONY: terraform
terraform: ## Validate and plan both Terraform examples with the provider's mock; fetches the provider
	for example in deploy/terraform/examples/*; do \
		terraform -chdir=$$example init -backend=false && terraform -chdir=$$example validate && terraform -chdir=$$example test || exit 1; done

.PHONY: check
check: lint generated test race ## Everything that CI runs

.PHONY: bench
bench: ## Time the engine against a plain loop over the real range, and its peak memory
	GAMEFILL_BENCH=1 $(GO) test -count=1 -timeout 30m -v ./test/bench

# A number of executions: a duration ends now and then in a deadline of its own on a busy machine.
FUZZTIME ?= 500000x
.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

.PHONY: ci-extra
ci-extra: ## What is too heavy for every check: race everywhere, repeated tests, many kills, analysed SQL, fuzzing
	$(GO) test -race -timeout 60m ./...
	$(GO) test -count=10 -shuffle=on $(RACED)
	GAMEFILL_EXTRA=1 $(GO) test -count=1 -timeout 30m -run TestOperating ./test/docs ./test/cloud
	GAMEFILL_CRASH_ROUNDS=20 $(GO) test -count=1 -timeout 60m ./test/crash
	cd internal/warehouse/bigquerywarehouse/analyse && $(GO) test ./...
	$(MAKE) fuzz FUZZTIME=100000x
	$(MAKE) manifests
