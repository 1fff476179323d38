# Everything that is done to this project has its command here.
SWIFT_BUILD ?= swift build

.PHONY: help setup build demo test test-nodes test-nodes-long image faults rehearse rehearse-maintenance bench-maintenance torture bench bench-defrag bench-backup bench-drain bench-twin bench-lb release generate format lint docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## Install what is missing: Debian packages, and servers and clients into .tools/
	@Scripts/setup

build: ## Build everything, debug
	$(SWIFT_BUILD)

demo: setup ## Save, damage, lose and restore a real three-member cluster
	$(SWIFT_BUILD) --product drydock
	$(SWIFT_BUILD) --product drydock-proof
	@"$$($(SWIFT_BUILD) --show-bin-path)/drydock-proof" demo

test: setup ## Run all tests, against real servers
	swift test

test-nodes: setup ## Run the suites on real nodes, which must be there (DRYDOCK_LAB)
	swift test --filter CommandsTests.UpgradeLabTests
	swift test --filter RestoreLabTests

test-nodes-long: setup ## Faults in the middle of an upgrade, one from within, the way back, maintenance, certificates and authorities on real nodes (DRYDOCK_LAB); two hours
	swift test --filter UpgradeFaultLabTests
	swift test --filter ClusterUpgradeLabTests
	swift test --filter CertificateLabTests
	swift test --filter RotationLabTests
	swift test --filter MaintenanceLabTests

release: ## Build .build/drydock: one stripped binary that needs no Swift runtime
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock
	strip -o .build/drydock "$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock"
	@ls -l .build/drydock

image: release ## Pack .build/drydock into an image: .build/drydock-image.tar
	Scripts/image .build/drydock drydock:latest .build/drydock-image.tar

faults: setup ## Disturb every step of every run on a real etcd, and kill restores at every boundary
	DRYDOCK_FAULTS=all swift test --filter 'EtcdRunTests|RestoreTests'

rehearse: setup ## Drain 2,000 random clusters with faults and kills; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" rehearse --report docs/benchmarks.md

bench-drain: setup release ## Measure drains against kubectl on a real cluster (KUBEBUILDER_ASSETS); report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-drain --drydock .build/drydock --report docs/benchmarks.md

bench-backup: setup release ## Measure backups to S3 against etcdctl, zstd, age and rclone; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-backup --drydock .build/drydock --report docs/benchmarks.md

bench-twin: setup ## Measure plans, informers and a rolling maintenance on 5,000 nodes; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-twin --report docs/benchmarks.md

rehearse-maintenance: setup ## Let the controller maintain 500 random clusters for four weeks of their time
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" rehearse-maintenance

bench-maintenance: setup release ## Measure the controller against kured's way, over weeks, and on 5,000 nodes; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-maintenance --drydock .build/drydock --report docs/benchmarks.md

bench-lb: setup release ## Count what maintenance behind HAProxy loses under full load; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-lb --drydock .build/drydock --report docs/benchmarks.md

torture: setup ## Damage files of a real etcd 10,000 times each; report in docs/torture.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" torture --report docs/torture.md

bench: setup release ## Measure against openssl, etcdctl and etcdutl; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench --drydock .build/drydock --report docs/benchmarks.md

bench-defrag: setup release ## Measure what clients bear during a defragmentation; report in docs/benchmarks.md
	$(SWIFT_BUILD) -c release --static-swift-stdlib --product drydock-proof
	@"$$($(SWIFT_BUILD) -c release --show-bin-path)/drydock-proof" bench-defrag --drydock .build/drydock --report docs/benchmarks.md

generate: ## Generate the gRPC code from Protos/
	Scripts/generate

format: ## Format the sources
	swift format --in-place --parallel $$(git ls-files --cached --others --exclude-standard '*.swift' | grep -v /Generated/)

lint: ## Check format and house rules
	Scripts/lint

docs: build ## Write the man pages to docs/man
	@mkdir -p docs/man
	"$$($(SWIFT_BUILD) --show-bin-path)/drydock" man --output-dir docs/man

clean: ## Remove what was built, not what was installed
	rm -rf .build
