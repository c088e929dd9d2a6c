"""Methods of the tests' own, which configurations may name by `--plugin tests`."""
