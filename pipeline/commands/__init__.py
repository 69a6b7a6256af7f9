"""Commands that are many enough to have a module of their own; pipeline/cli.py holds the others."""
