.PHONY: setup models demo test lint corpus fuzz evals

setup:
	@python3 pipeline/bootstrap.py

models: setup
	@.venv/bin/memoire models fetch

demo: models
	@.venv/bin/memoire demo

test: models
	@.venv/bin/pytest

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

# Reads mutated documents until one breaks a reader; SECONDS=600 for a long run.
SECONDS ?= 60
fuzz: setup
	@.venv/bin/python -m evals.fuzz --seconds $(SECONDS)

# Holds the scorers to what they must see, the kept mémoire to its scores, the reading of points to the labels (this one
# loads the embedder and the language model): about a quarter of an hour.
SEEDS ?= 20
evals: models
	@.venv/bin/python -m evals.mutations --seeds $(SEEDS)
	@.venv/bin/python -m evals.regress
	@.venv/bin/python -m evals.points --attentive

# Rebuilds the sample dossier's PDF, DOCX and XLSX from corpus/sources (needs Debian's pandoc and libreoffice-writer).
corpus: setup
	@.venv/bin/python corpus/build.py
