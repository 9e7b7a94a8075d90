"""What protoc made of proto/*.proto. `make protos` writes it again; a test compares."""
