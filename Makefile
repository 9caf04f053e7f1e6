# facemesh_ros: `make help` lists what there is.
PYTHON ?= python3
DURATION ?= 20
VENV := .venv/bin
DEMO_INPUT := $(if $(VIDEO),--video "$(VIDEO)") $(if $(CAMERA),--camera "$(CAMERA)")

.PHONY: help setup demo test check performance clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup:  ## Build all that is needed into .venv: ROS 2 (where none is sourced), messages, networks
	@command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) was not found: install Python 3.10 or newer, or name it: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) scripts/setup_env.py

demo: setup  ## Run the node on a moving face (DURATION=20, VIDEO=file, CAMERA=0)
	@$(VENV)/facemesh demo --duration $(DURATION) $(DEMO_INPUT)

test: setup  ## Run every test (ARGS="-k word" passes options to pytest)
	@scripts/bring_chromium
	@$(VENV)/python -m pytest $(ARGS)

check: setup  ## Lint, format and types
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy

performance: setup  ## Measure against MediaPipe and fill in docs/performance.md (PEER=python with mediapipe, rclpy)
	@[ -n "$(PEER)" ] || { echo "performance: name the peer's python: make performance PEER=path (docs/performance.md says how to make it)"; exit 1; }
	@$(VENV)/python -c "import matplotlib" 2>/dev/null || $(VENV)/pip install --quiet --disable-pip-version-check 'matplotlib>=3.8'
	@$(VENV)/python bench/performance.py --peer-python "$(PEER)"

clean:  ## Remove all that make setup and the tools wrote here (not the networks in your data folder)
	rm -rf .venv build demo install log *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
