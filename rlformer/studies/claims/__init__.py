"""The statements of an article about Transformers and other architectures, each held against an experiment."""
