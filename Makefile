# tango: build, test, measure. `make` alone lists what can be made.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Other people's programs, and the linter, are built by the Go that is there. tango is built
# by this one, which the go command fetches as it does modules (76 MB): its package
# encoding/json finds out about types in half the time (docs/performance.md). Where it can't
# be had, the one that is there does as well.
GO          ?= go
GO_VERSION  := go1.27.3
GOTOOLCHAIN_OURS = $(eval GOTOOLCHAIN_OURS := $$(shell GOTOOLCHAIN=$(GO_VERSION) $(GO) version >/dev/null 2>&1 && echo $(GO_VERSION) || $(GO) env GOTOOLCHAIN))$(GOTOOLCHAIN_OURS)
OUR_GO       = GOTOOLCHAIN=$(GOTOOLCHAIN_OURS) $(GO)

BIN     := $(CURDIR)/bin
TOOLS   := $(BIN)/tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Seccomp needs libseccomp and cgo; the shim's own mount and life-cycle code needs
# neither. no_grpc leaves out containerd's gRPC stubs: the shim speaks ttrpc. The
# binaries are static, as runc's are: a fifth less CPU time for each exec. Code begins
# where a huge page can: see package sealed, EnlargePages.
TAGS    := seccomp no_grpc netgo osusergo
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -linkmode external -extldflags "-static -Wl,-z,max-page-size=0x200000" -X tango/shim/bootstrap.Version=$(VERSION) -X tango/shim/bootstrap.Revision=$(REVISION) \
	-X tango/shim/operator.Version=$(VERSION) -X tango/shim/operator.Revision=$(REVISION)

BUILDFLAGS = -trimpath -buildvcs=false -tags '$(TAGS)' -ldflags '$(LDFLAGS)'

CONTAINERD := github.com/containerd/containerd/v2
CONTAINERD_VERSION = $(shell cd test/tools && $(GO) list -m -f '{{.Version}}' $(CONTAINERD))

# More flags for the go tests: make test-unit TESTFLAGS='-run Foo -v'
TESTFLAGS ?=
# Which runtime the integration tests use: tango or runc.
RUNTIME   ?= tango
# More flags for the programs: make run RUNFLAGS='-containers 20'
RUNFLAGS ?=

export CGO_ENABLED := 1
say = @printf '\033[1m%s\033[0m\n' '$(1)'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install the system packages that are missing (Debian, as root), or name them
	@test/deps.sh

.PHONY: build
build: deps ## build containerd-shim-tango-v2, tango and tango-bench into bin/
	$(call say,building tango $(VERSION) with $(GOTOOLCHAIN_OURS))
	@mkdir -p $(BIN)
	@$(OUR_GO) build $(BUILDFLAGS) -o $(BIN)/tango-init ./shim/container/initexe/tango-init
	@gzip -9nc $(BIN)/tango-init > $(BIN)/tango-init.gz
	@mv $(BIN)/tango-init.gz shim/container/initexe/program/
	@$(OUR_GO) build $(BUILDFLAGS) -o $(BIN)/ ./shim/cmd/...
	@cd test && CGO_ENABLED=0 $(OUR_GO) build -trimpath -buildvcs=false -tags 'netgo osusergo' -ldflags '-s -w' -o $(BIN)/tango-bench ./bench

.PHONY: tools
tools: $(TOOLS)/containerd $(TOOLS)/ctr $(TOOLS)/containerd-shim-runc-v2 $(TOOLS)/runc $(TOOLS)/tap $(TOOLS)/host-local ## build containerd, ctr, the stock shim, runc and pods' network plugins into bin/tools/

# Built as their own projects release them: containerd's programs static and
# without cgo, the stock shim without gRPC, runc with seccomp.
CTRD_LDFLAGS = -s -w -X $(CONTAINERD)/version.Version=$(CONTAINERD_VERSION)

$(TOOLS)/containerd $(TOOLS)/ctr: test/tools/go.mod test/tools/go.sum
	$(call say,building $(@F) (once; containerd takes some minutes on a small machine))
	@mkdir -p $(TOOLS)
	@cd test/tools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(CTRD_LDFLAGS)' -o $@ $(CONTAINERD)/cmd/$(@F)
	@touch $@

$(TOOLS)/containerd-shim-runc-v2: test/tools/go.mod test/tools/go.sum
	$(call say,building $(@F) (once))
	@mkdir -p $(TOOLS)
	@cd test/tools && CGO_ENABLED=0 $(GO) build -trimpath -tags no_grpc -ldflags '$(CTRD_LDFLAGS)' -o $@ $(CONTAINERD)/cmd/$(@F)
	@touch $@

$(TOOLS)/runc: test/tools/go.mod test/tools/go.sum | deps
	$(call say,building $(@F) (once))
	@mkdir -p $(TOOLS)
	@cd test/tools && $(GO) build -trimpath -tags seccomp -ldflags '-s -w' -o $@ github.com/opencontainers/runc
	@touch $@

$(TOOLS)/tap $(TOOLS)/host-local: test/tools/cni/go.mod test/tools/cni/go.sum
	$(call say,building network plugin $(@F) (once))
	@mkdir -p $(TOOLS)
	@cd test/tools/cni && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ \
		$$($(GO) list tool | grep '/$(@F)$$')
	@touch $@

$(TOOLS)/nfpm: test/tools/release/go.mod test/tools/release/go.sum
	$(call say,building nfpm (once))
	@mkdir -p $(TOOLS)
	@cd test/tools/release && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ github.com/goreleaser/nfpm/v2/cmd/nfpm
	@touch $@

$(TOOLS)/sbom: test/tools/release/go.mod test/tools/release/go.sum $(wildcard test/tools/release/sbom/*.go)
	@mkdir -p $(TOOLS)
	@cd test/tools/release && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ ./sbom
	@touch $@

$(TOOLS)/golangci-lint: test/tools/lint/go.mod test/tools/lint/go.sum
	$(call say,building $(@F) (once))
	@mkdir -p $(TOOLS)
	@cd test/tools/lint && $(GO) build -trimpath -ldflags '-s -w' -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(TOOLS)/govulncheck: test/tools/lint/go.mod test/tools/lint/go.sum
	$(call say,building $(@F) (once))
	@mkdir -p $(TOOLS)
	@cd test/tools/lint && $(GO) build -trimpath -ldflags '-s -w' -o $@ golang.org/x/vuln/cmd/govulncheck
	@touch $@

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo 'This needs root: it mounts, makes namespaces and runs containers. Try: sudo -E make $(MAKECMDGOALS)' >&2; exit 1; }

.PHONY: test
test: test-unit test-integration test-cri ## all tests (as root): units, then containers on a real containerd, then pods through CRI

.PHONY: test-unit
test-unit: root deps ## tests of the packages, on the real kernel
	$(call say,unit tests)
	@$(OUR_GO) test -tags '$(TAGS)' $(TESTFLAGS) ./...
	@cd test && $(OUR_GO) test $(TESTFLAGS) ./images/... ./harness/... ./bench/... ./conformance/... ./stats/... ./figures/... ./bystander/... ./program/... ./sides/... ./private/... ./lockwait/... ./mountbench/... ./sim/... ./vm/...

.PHONY: test-integration
test-integration: root build tools ## tests of whole containers (RUNTIME=runc: against the stock shim)
	$(call say,integration tests with $(RUNTIME))
	@cd test && TANGO_TEST_RUNTIME=$(RUNTIME) $(OUR_GO) test -count=1 -timeout 30m $(TESTFLAGS) ./integration/... ./rollout/...
	$(call say,what containers cost the mount locks)
	@cd test && $(OUR_GO) test -count=1 -timeout 10m $(TESTFLAGS) ./mountcost/...

.PHONY: test-race
test-race: root deps ## the unit tests with the race detector
	$(call say,unit tests with the race detector)
	@$(OUR_GO) test -race -tags 'seccomp no_grpc' $(TESTFLAGS) ./...

# How long each fuzz target runs: make fuzz FUZZTIME=5s
FUZZTIME ?= 10m

.PHONY: fuzz
fuzz: root deps ## run every fuzz target for FUZZTIME (10m)
	@for at in $$(grep -rl --include='*_test.go' '^func Fuzz' mounts rootfs shim); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$at); do \
			printf '\033[1mfuzzing %s of %s for %s\033[0m\n' $$name $$(dirname $$at) $(FUZZTIME); \
			$(OUR_GO) test -tags '$(TAGS)' -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$at) || exit 1; \
		done; \
	done

.PHONY: run
run: root build tools ## the demo: 100 containers of a 50-layer image, tango and stock side by side
	@cd test && $(OUR_GO) run ./demo $(RUNFLAGS)

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## golangci-lint over both modules: layers, style, likely faults
	$(call say,linting)
	@$(TOOLS)/golangci-lint config verify
	@$(TOOLS)/golangci-lint run --build-tags '$(TAGS)' ./...
	@cd test && $(TOOLS)/golangci-lint run ./...

.PHONY: vulncheck
vulncheck: $(TOOLS)/govulncheck ## look for known vulnerabilities (asks vuln.go.dev; says so if that can't be reached)
	$(call say,looking for known vulnerabilities)
	@if out=$$($(TOOLS)/govulncheck -tags '$(TAGS)' ./... 2>&1); then echo "$$out"; else \
		echo "$$out"; \
		[[ $$out == *'fetching vulnerabilities'* ]] || exit 1; \
		echo 'BLOCKED: nothing was looked for, since vuln.go.dev cannot be reached from here'; \
	fi

# Programs under test/ that exist in this tree get a target.
ifneq ($(wildcard test/bench/*.go),)
.PHONY: bench
bench: root build tools ## measure tango against the stock shim, interleaved
	@cd test && $(OUR_GO) run ./bench $(RUNFLAGS)
endif

ifneq ($(wildcard test/mountbench/*.go),)
.PHONY: mountbench
mountbench: root ## mount throughput and latency from 1 to 64 threads: judges a machine (needs no containerd)
	@cd test && $(OUR_GO) run ./mountbench $(RUNFLAGS)
endif

ifneq ($(wildcard test/lockwait/*.go),)
.PHONY: lockwait
lockwait: root build tools ## who waits for the mount locks, and how long, while containers start and end
	@cd test && $(OUR_GO) run ./lockwait $(RUNFLAGS)
endif

ifneq ($(wildcard test/vm/*.go),)
.PHONY: vagrant-check
vagrant-check: root ## the Vagrantfile, validated by Vagrant for each provider
	$(call say,validating the Vagrantfile)
	@test/vm/provision.sh vagrant
	@cd test && $(OUR_GO) run ./vm vagrant

.PHONY: matrix
matrix: root build tools vagrant-check ## the tests on several kernels in virtual machines (KERNEL=6.12, NODES=4: one of them)
	@test/vm/provision.sh host
	@cd test && $(OUR_GO) run ./vm $(if $(KERNEL),-kernel $(KERNEL)) $(if $(NODES),-nodes $(NODES)) $(RUNFLAGS)
endif

ifneq ($(wildcard test/conformance/*.go),)
.PHONY: conformance
conformance: root build tools ## containerd's own client tests with both runtimes, and the difference
	@cd test && $(GO) run ./conformance $(RUNFLAGS)
endif

.PHONY: sim
sim: ## simulate the hand-over of mount locks on bigger machines (RUNFLAGS='-plots DIR')
	@cd test && $(OUR_GO) run ./sim $(RUNFLAGS)

ifneq ($(wildcard test/compat/*.go),)
.PHONY: compat
compat: root build tools ## a few tests on each line of containerd since 1.7 (RUNFLAGS='-version v2.0.14': one)
	$(call say,versions of containerd)
	@cd test && $(GO) run ./compat $(RUNFLAGS)
endif

ifneq ($(wildcard test/chaos/*.go),)
.PHONY: chaos
chaos: root build tools ## faults at every step, and proof that nothing is left
	@cd test && $(OUR_GO) run ./chaos $(RUNFLAGS)
endif

.PHONY: test-cri
test-cri: root build tools ## pods through the Kubernetes interface (CRI), the documented examples among them
	$(call say,pods with $(RUNTIME))
	@cd test && TANGO_TEST_RUNTIME=$(RUNTIME) $(OUR_GO) test -count=1 -timeout 15m $(TESTFLAGS) ./cri

.PHONY: deploy-check
deploy-check: ## the files below deploy/, against the types of Kubernetes and Grafana
	$(call say,checking deploy)
	@cd test/deploy && $(OUR_GO) test -count=1 $(TESTFLAGS) ./...

# Everything inside a release has the time of the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.PHONY: release
release: build $(TOOLS)/nfpm $(TOOLS)/sbom ## programs, Debian package, bill of materials and checksums into bin/release/
	$(call say,packing tango $(VERSION))
	@test/tools/release/pack.sh $(BIN) $(BIN)/release '$(VERSION)'
	@cat $(BIN)/release/SHA256SUMS

.PHONY: release-arm64
release-arm64: build $(TOOLS)/nfpm $(TOOLS)/sbom ## the same for arm64, by a cross compiler (Debian: gcc-aarch64-linux-gnu)
	$(call say,building and packing tango $(VERSION) for arm64)
	@GOTOOLCHAIN=$(GOTOOLCHAIN_OURS) TAGS='$(TAGS)' LDFLAGS='$(LDFLAGS)' test/tools/release/cross.sh arm64 $(BIN)/arm64
	@test/tools/release/pack.sh $(BIN)/arm64 $(BIN)/release-arm64 '$(VERSION)' arm64
	@cat $(BIN)/release-arm64/SHA256SUMS

.PHONY: release-check
release-check: deps $(TOOLS)/nfpm $(TOOLS)/sbom ## build the last commit's release twice, and compare every byte
	@test/tools/release/check.sh HEAD $(BIN)/release-check

.PHONY: manpage
manpage: build ## the manual page, as bin/tango.8
	@$(BIN)/tango man > $(BIN)/tango.8

ifneq ($(wildcard test/hostile/*.go),)
.PHONY: hostile
hostile: root build tools ## images and specs that mean harm, against the stock runtime's answers
	@cd test && $(OUR_GO) test -count=1 -timeout 30m $(TESTFLAGS) ./hostile

.PHONY: guards
guards: root build tools ## take libcontainer's guards out, one by one, and want the hostile images to be noticed
	@cd test && $(OUR_GO) run ./hostile/guards
endif

.PHONY: service-death
service-death: root build tools ## kills and stops the host service 200 times during a burst: no start may fail (some minutes)
	$(call say,the host service dies)
	@cd test && $(OUR_GO) test -count=1 -timeout 90m -v ./servicedeath $(TESTFLAGS)

ifneq ($(wildcard test/soak/*.go),)
.PHONY: soak
soak: root build tools ## thousands of cycles, and loads; nothing may grow (RUNFLAGS='-cycles 100': shorter)
	@cd test && $(OUR_GO) run ./soak $(RUNFLAGS)
endif

.PHONY: clean
clean: ## take away bin/
	@rm -rf $(BIN)
