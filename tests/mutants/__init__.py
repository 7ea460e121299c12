"""Mutations of the code that the tests have to find, each alone: `make mutants`."""
