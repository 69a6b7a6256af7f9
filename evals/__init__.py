"""Measures: what the pipeline does on known tenders, printed as tables."""
