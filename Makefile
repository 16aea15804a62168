# make help lists what can be made.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.buildVersion=$(VERSION) -X main.buildCommit=$(COMMIT)

FUZZTIME ?= 10s

# The real Kilo, for the tests that ask for it: that of make e2e, unless this is set.
SOULCASTER_TEST_KILO ?= $(CURDIR)/app/e2e/node_modules/@kilocode/cli-linux-x64/bin/kilo

# Pictures of the pages, as make e2e saw them: to be looked at.
SOULCASTER_TEST_SHOTS ?= $(CURDIR)/app/e2e/shots

.DEFAULT_GOAL := build
.PHONY: help build run test e2e fixes bench fuzz lint generate

help: ## show this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

build: ## bin/soulcaster
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/soulcaster ./app

run: build ## the app with sample feedback: no account, key or server needed
	bin/soulcaster demo

test: ## every test, with the race detector; installs what the tests need
	deploy/test/install
	go test -race -timeout 30m ./...
	@[ -n "$$SOULCASTER_TEST_KILO" ] || echo "SKIPPED: the tests with the real Kilo; make e2e installs it and runs them" >&2

e2e: export SOULCASTER_TEST_KILO := $(SOULCASTER_TEST_KILO)
e2e: export SOULCASTER_TEST_SHOTS := $(SOULCASTER_TEST_SHOTS)
e2e: build app/e2e/node_modules/.package-lock.json ## the built binary against a GitHub on loopback; what is deployed
	deploy/test/install
	deploy/aws/check
	deploy/agent/try
	go test -race -count=1 ./deploy/proxy
	go test -race -count=1 -p 1 -run RealKilo ./engine/fix/kilo ./engine/fix/agent ./handlers/agent
	go test -race -count=1 -tags e2e -parallel 2 -timeout 20m -run RealKilo ./app/e2e
	go test -race -count=1 -tags e2e -parallel 10 -timeout 40m -skip 'RealKilo|Browser' ./app/e2e/...
	@# chromedp reads what its own events write; the app under test is another process
	go test -count=1 -tags e2e -parallel 3 -timeout 20m -run Browser ./app/e2e

# npm writes this file last, so it is newer than the lock file once all is there.
app/e2e/node_modules/.package-lock.json: app/e2e/package-lock.json
	deploy/test/install e2e
	cd app/e2e && npm ci --no-audit --no-fund

fixes: ## what a fix is worth: small bugs, the whole way and by bare Kilo, with the model that is configured
	go run ./app/fixes $(FIXES)

bench: ## every benchmark, that of the whole app with 1,000 runs among them: five minutes
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz test for FUZZTIME, 10s unless set
	deploy/test/fuzz $(FUZZTIME)

lint: ## format, vet, staticcheck, who may import what
	@files=$$(find . -name '*.go' -not -path '*/node_modules/*' -exec gofmt -l {} +); \
	if [ -n "$$files" ]; then echo "not formatted (run gofmt -w):"; echo "$$files"; exit 1; fi
	go vet -tags e2e ./...
	go tool staticcheck -tags e2e ./...
	go test -run 'Imports|Violations' -count=1 ./app

generate: ## what is made from the code, such as docs/configuration.md
	go generate ./...
