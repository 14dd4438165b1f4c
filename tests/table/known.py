"""Faults that test_table.py finds and that are not mended yet: test -> operator -> what is wrong."""

FAULTS = {}
