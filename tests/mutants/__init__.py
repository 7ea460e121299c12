"""Mutations of the code. The tests have to find each of them: `make mutants`."""
