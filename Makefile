# The project's commands. Each is `python3 dev.py NAME`, which needs nothing but Python: see dev.py.
# Arguments: make test ARGS="-k outbox"

PYTHON ?= python3
ARGS ?=
COMMANDS := demo test check lint types contracts security format web chart clients bench newest

.DEFAULT_GOAL := help
.PHONY: help $(COMMANDS)

help:
	@$(PYTHON) dev.py help

$(COMMANDS):
	@$(PYTHON) dev.py $@ $(ARGS)
