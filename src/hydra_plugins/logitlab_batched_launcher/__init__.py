"""hydra/launcher=batched: runs that go together are trained as one tensor program."""
