.PHONY: demo images test test-clients soak scenarios fuzz frames docs shapes bench bench-sim bench-peers

VPCLAB = $(or $(CARGO_TARGET_DIR),target)/debug/vpclab

# The example up, held to its promises, one port allowed and one denied; it is left running.
demo:
	cargo build -p vpclab
	@sh examples/demo.sh $(VPCLAB) examples/shop.yaml

# Images for examples/shop-containers.yaml, out of Debian's packages (apt-get and dpkg-deb, no privileges); taken into the
# store of this user, or of VPCLAB_HOME.
IMAGES = $(or $(CARGO_TARGET_DIR),target)/images
images:
	cargo build -p vpclab
	sh examples/images/make.sh $(IMAGES) nginx mariadb
	for image in nginx mariadb; do $(VPCLAB) images load $(IMAGES)/$$image.tar || exit; done

# Every room's tests; those that need privileges make their own namespaces.
test:
	cargo test --workspace

# Docker's own clients, unchanged, against the socket of an instance: the docker command (the one in PATH and Debian's), docker-py,
# testcontainers, bollard, compose v2; then the shop of examples/shop-containers.yaml with its real images, and runc as the judge of isolation.
# AWS's own clients at a lab: Terraform (which has to be on the machine, as node has), Ansible, the SDK for JavaScript, the AWS CLI. What
# they need is brought below target/clients and target/images; the network is used for that alone.
CLIENTS = $(abspath $(or $(CARGO_TARGET_DIR),target))/clients
test-clients:
	cargo build -p vpclab
	sh clients/fetch.sh $(CLIENTS)
	sh clients/fetch_aws.sh $(CLIENTS)
	sh examples/images/make.sh $(IMAGES)
	cargo build --manifest-path clients/bollard/Cargo.toml --target-dir $(CLIENTS)/bollard
	VPCLAB_CLIENTS=$(CLIENTS) VPCLAB_CLIENT_IMAGES=$(abspath $(IMAGES)) sh clients/test.sh

# The daemon killed at hundreds of points, by a new seed each time; it is printed, and VPCLAB_SOAK_SEED=N repeats it. Then killed while a
# thousand calls of AWS's clients are under way, and every operation of the API asked hundreds of times for what nobody would ask.
soak:
	VPCLAB_SOAK_ROUNDS=$${VPCLAB_SOAK_ROUNDS:-300} VPCLAB_SOAK_SEED=$${VPCLAB_SOAK_SEED:-$$(date +%s)} \
		cargo test -p vpclab --test it -- faults:: container_faults:: --nocapture
	VPCLAB_SOAK_CALLS=1000 cargo test -p vpclab --test aws_faults -- --nocapture
	VPCLAB_FUZZ_CALLS=$${VPCLAB_FUZZ_CALLS:-300} VPCLAB_FUZZ_SEED=$${VPCLAB_SOAK_SEED:-$$(date +%s)} cargo test -p door --test it fuzz:: -- --nocapture

# The scenarios with real packets, without root.
scenarios:
	cargo run -p vpclab -- conformance run conformance --engine linux

# Random clouds on all engines, which must agree; VPCLAB_FUZZ_SEED=N begins elsewhere. Ten minutes on a busy machine; what
# differs is saved, cut down, in target/fuzz. Then frames that were changed, at every kind of node, for VPCLAB_FUZZ_SECONDS.
fuzz:
	cargo build -p vpclab
	$(VPCLAB) conformance fuzz --engines proof,sim,linux --seed $${VPCLAB_FUZZ_SEED:-1} --labs $${VPCLAB_FUZZ_LABS:-2000} --probes 50 \
		--save $(or $(CARGO_TARGET_DIR),target)/fuzz
	VPCLAB_FUZZ_SECONDS=$${VPCLAB_FUZZ_SECONDS:-300} VPCLAB_FUZZ_SEED=$${VPCLAB_FUZZ_SEED:-1} \
		cargo test -p conformance --test it any_frames:: -- --nocapture

# What passes the places of a lab, frame by frame: the simulator's against the kernel's.
frames:
	cargo build -p vpclab
	$(VPCLAB) conformance frames

# Pages and pictures that the program makes of itself; a test compares them.
docs:
	cargo build -p vpclab
	$(VPCLAB) man --markdown > docs/reference.md
	cargo run -q -p query --example coverage > docs/aws-coverage.md
	for lab in examples/*.yaml; do $(VPCLAB) graph $$lab -w docs/pictures/$$(basename $$lab .yaml).svg || exit; done
	$(VPCLAB) -f docs/classroom.yaml sim domains -w docs/pictures/domains.svg

# The shapes of AWS's operations, from the service models of the botocore that crates/query/generate/shapes.py names (pip install
# botocore==…); then what botocore itself makes of them, for machines without it.
shapes:
	python3 crates/query/generate/shapes.py
	python3 crates/query/tests/botocore/peer.py requests 0 small > crates/query/tests/fixtures/requests.txt
	python3 crates/query/tests/botocore/peer.py signatures > crates/query/tests/fixtures/signatures.txt
	VPCLAB_RECORD=1 cargo test -q -p query --test it botocore::

# Figures of docs/benchmarks.md, each against a reference in the same run; a few minutes on an idle machine.
BENCH = $(or $(CARGO_TARGET_DIR),target)/release/bench
bench:
	cargo build --release -p bench -p vpclab
	$(BENCH) lifecycle
	$(BENCH) packet
	$(BENCH) change
	$(BENCH) memory
	$(BENCH) command

# The simulator's figures, by a program of its own that builds without the rest; on any system.
bench-sim:
	cargo run --release -p sim --example speed

# The same sizes on Mininet, where it is installed; it takes minutes for 1,000 hosts. Then the proof beside two analyzers,
# each in a Python environment of its own below the target folder: what they need differs. Then the simulator beside ns-3, whose
# libraries are unpacked below the target folder from Debian's packages.
PEERS = $(or $(CARGO_TARGET_DIR),target)/peers
bench-peers: $(PEERS)/aws-vpc-analyzer/0.5.1 $(PEERS)/network-config-analyzer/2.1.0 $(PEERS)/moto/5.2.5 $(PEERS)/ns3/networks
	cargo build --release -p bench
	$(BENCH) lifecycle --peers
	$(BENCH) --runs 3 analyzers --environments $(PEERS)
	$(BENCH) --runs 3 api --environments $(PEERS)
	cargo run --release -p sim --example speed -- chain subnets bulk --ns3 $(abspath $(PEERS))/ns3/networks

$(PEERS)/ns3/networks: crates/sim/benches/ns3/networks.cc crates/sim/benches/ns3/build.sh
	sh crates/sim/benches/ns3/build.sh $(@D)

# The server comes with an extra of the package.
$(PEERS)/moto/%:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet 'moto[server]==$(@F)'
	touch $@

$(PEERS)/%:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet $(notdir $(@D))==$(@F)
	touch $@
