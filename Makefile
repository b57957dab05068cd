.PHONY: test scenarios

# Every room's tests; those that need privileges make their own namespaces.
test:
	cargo test --workspace

# The scenarios with real packets, without root.
scenarios:
	cargo run -p conformance --example run -- conformance --engine linux
