# Everything a person or a CI job does with this repository. `make` lists the targets.
#
# The environment of the go command (GOPROXY, GOFLAGS, GOCACHE, …) is left as it is.

# How long one package's tests may take. The end-to-end tests run a control plane and kill the
# program many times.
TEST_TIMEOUT ?= 20m

# These packages keep both cores busy, with browsers, compilers and whole days; the others test when
# things happen, and are better off without them.
BUSY = ./internal/clustersim ./internal/demo ./internal/slackemu/page ./test/browser ./test/chaos ./test/image

# ST1005 takes the name Slack at the beginning of an error for a capitalised word.
STATICCHECK = go tool -modfile="$(CURDIR)/tools/go.mod" staticcheck -checks inherit,-ST1005

.DEFAULT_GOAL := help
.PHONY: help demo test short bench soak chaos fuzz lint vulncheck screenshots controlplane browser buildah build image \
	demo-image chart release licences clean

# Modules of their own, so that what they need reaches nothing else; test/controlplane has no tests.
MODULES = tools test/dockerfile test/helm test/monitoring

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## show Rollcall at work in a browser: no Slack account, no cluster
	@go build -o bin/demo ./cmd/demo
	@exec bin/demo

# The database is a translation from C, which takes ten times as long under the race detector: it is left out, what
# calls it is not. The end-to-end tests wait more than they work, so they begin first, beside all others.
test: controlplane browser buildah ## run every test with the race detector, end to end against a real control plane
	@race='-race -gcflags=modernc.org/...=-race=false'; \
	if [ "$$(go env CGO_ENABLED)" != 1 ]; then \
		race=; \
		echo "make test: the race detector needs a C compiler, and there is none: install gcc" >&2; \
		if [ -n "$${CI:-}" ]; then exit 1; fi; \
		echo "make test: going on without it" >&2; \
	fi; \
	busy="$$(go list $(BUSY))"; \
	rest="$$(go list ./test/e2e) $$(go list ./... | grep -vxF -e "$$busy" -e rollcall/test/e2e)"; \
	set -ex; for module in $(MODULES); do go -C "$$module" test -count=1 ./...; done; \
	go test $$race -count=1 -parallel 8 -timeout $(TEST_TIMEOUT) $$rest; \
	go test $$race -count=1 -p 1 -parallel 4 -timeout $(TEST_TIMEOUT) $$busy

short: ## run the tests that need no control plane
	go test -short ./...

bench: controlplane ## measure everything into bench/RESULTS.md: 25 minutes (CASE=Latency: that case alone, printed)
	go run ./test/bench/report $(if $(CASE),-case "$(CASE)")

soak: controlplane ## run for half an hour with churn and faults, and report what grows (ROLLCALL_SOAK: how long)
	ROLLCALL_SOAK=$${ROLLCALL_SOAK:-30m} go test ./test/e2e -count=1 -run TestSoak -v -timeout 24h

chaos: controlplane ## break everything around it and judge what it tells (CHAOS="-chaos.kills 500 -chaos.seed 7")
	go test ./test/chaos -count=1 -run TestChaos -v -timeout 24h $(CHAOS)

# How long each fuzz test runs.
FUZZTIME ?= 5m

# What is new about an input is not worth the minute that is spent by default on making it smaller.
fuzz: ## fuzz every decoder of what comes from outside, one after another (FUZZTIME: how long each, 5m)
	@failed=; \
	for folder in $$(grep -rl --include='*_test.go' '^func Fuzz' internal | xargs -n 1 dirname | sort -u); do \
		for name in $$(go test -list '^Fuzz' "./$$folder" | grep '^Fuzz'); do \
			echo "$$folder: $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 1 "./$$folder" || \
				failed="$$failed $$name"; \
		done; \
	done; \
	if [ -n "$$failed" ]; then echo "make fuzz: there are inputs in testdata/fuzz that fail:$$failed" >&2; exit 1; fi

lint: ## gofmt, go vet, staticcheck, go mod tidy and go fix: all must have nothing to say
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is needed for:" >&2; echo "$$unformatted" >&2; exit 1; fi
	@set -ex; for module in . $(MODULES) test/controlplane; do \
		cd "$(CURDIR)/$$module"; \
		go vet ./...; $(STATICCHECK) ./...; go mod tidy -diff; go fix -diff ./...; \
	done

vulncheck: ## look for known vulnerabilities that the code can reach
	@sh tools/vulncheck.sh

screenshots: browser ## take the documents' pictures of the demo and of every message again
	go test ./internal/demo -count=1 -run InBrowser -screenshots "$(CURDIR)/docs"
	go test ./internal/slackapp -count=1 -run 'OnAPhone|EverySceneHas' -pictures -update

controlplane: ## build the tests' control plane where it is missing: ten minutes on two cores, once
	@folder=$$(go run -C test/controlplane .) && echo "the tests' control plane: $$folder"

browser: ## find Chromium for the browser tests, or install it from Debian's packages
	@sh tools/browser.sh

buildah: ## find what the image's tests build it with, or install it from Debian's packages
	@sh tools/buildah.sh

build: ## build the static program bin/rollcall
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bin/rollcall ./cmd/bot

# VERSION names the image and the chart; the version in the program comes from the commit.
VERSION ?= $(shell git describe --tags --always --dirty)
IMAGE ?= rollcall:$(VERSION)
BUILDER ?= $(firstword $(foreach builder,docker podman buildah,$(if $(shell command -v $(builder)),$(builder))))

DEMO_IMAGE ?= rollcall-demo:$(VERSION)
build_image = $(or $(BUILDER),$(error install docker, podman or buildah)) build \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) $(BUILD)

image: ## build the image (IMAGE: its name, BUILDER: docker, podman or buildah, BUILD: further options)
	$(build_image) --target rollcall -t $(IMAGE) .

demo-image: ## build the demo's image (DEMO_IMAGE: its name; BUILDER and BUILD as above)
	$(build_image) --target demo -t $(DEMO_IMAGE) .

# Without a REGISTRY, or with DRY_RUN=1, nothing is published: see docs/releasing.md.
release: ## make a release in bin/release, and publish it (VERSION=v1.2.3 REGISTRY=registry.example.com/team)
	@go -C tools run ./release -out "$(CURDIR)/bin/release" -version "$(VERSION)" -registry "$(REGISTRY)" \
		-charts "$(CHARTS)" $(if $(filter-out 0,$(DRY_RUN)),-dry-run) -builder "$(BUILDER)" -build "$(BUILD)"

# The registry and folder that the chart is pushed to, with the credentials of helm registry login or docker login; and
# where its image is, which becomes the chart's default.
chart: ## package the Helm chart into bin/, as a layout of OCI too (CHART_REGISTRY: push it, CHART_IMAGE: its image)
	@go -C test/helm run ./pack -version "$(VERSION)" -out "$(CURDIR)/bin" -image "$(CHART_IMAGE)" \
		-registry "$(CHART_REGISTRY)" $(if $(CHART_PLAIN_HTTP),-plain-http)

licences: build ## write bin/licences and the bill of materials bin/sbom.cdx.json
	go -C tools run ./licences -binary ../bin/rollcall -out ../bin

clean: ## remove bin/ (the control plane stays in its cache, see test/controlplane/README.md)
	rm -rf bin
