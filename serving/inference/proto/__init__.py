"""The protocol's gRPC messages and service: `make proto` writes the modules."""
