# Each command sets up .venv by itself the first time. `make` alone lists them.

PYTHON ?= python3
PY := .venv/bin/python

# The stamp is named after what it stands for: a fresh checkout of the same lock installs nothing,
# a changed one does. The folder counts because the editable install remembers it.
STAMP := .venv/stamp-$(shell { pwd; cat requirements.lock pyproject.toml; } | cksum | cut -d' ' -f1)

NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
	--nbval-cell-timeout 300
# Two workers. A file stays on one, since the cells of a notebook share a kernel; the slow files of
# tests/ come first and the notebooks fill up, hence the order as collected.
PYTEST := $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Snakemake's lock keeps two runs apart; a killed run leaves it behind.
GO_ON = echo; echo "Not everything is done; the same command goes on from here."; \
	[ -z "$$(ls .snakemake/locks 2>/dev/null)" ] || echo "The folder is locked: wait until the other \
	run has ended. If there is none, it was killed; remove its lock: $(PY) -m snakemake --unlock"

export PYTHON
export JUPYTER_PREFER_ENV_PATH = 1
unexport MPLBACKEND LORE_OUT

# What runs headless runs two at a time, one thread each, without progress bars or personal settings.
# None of this changes a result: `pytest` alone has to pass too.
headless = course figures figures-model sweep test quick lessons
$(headless): export OMP_NUM_THREADS ?= 1
$(headless): export PYTHONHASHSEED = 0
$(headless): export TQDM_DISABLE = 1
$(headless): export IPYTHONDIR = $(CURDIR)/.venv/ipython

.PHONY: help course figures figures-model sweep test quick bench lab model data layers lessons rooms lock clean claims agree

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(STAMP):
	@sh workflow/setup.sh $@

# A lesson's failure stands in the table; whatever else goes wrong, Snakemake's account is shown.
course: $(STAMP) ## run the lessons that changed, write build/, compare with what is committed
	@account=$$(mktemp); trap 'rm $$account; $(GO_ON); exit 130' INT; \
	$(PY) -m snakemake --quiet host 2>$$account && code=0 || code=$$?; \
	grep "Nothing to be done" $$account; \
	grep -q "cannot be locked" $$account || $(PY) workflow/table.py; \
	[ $$code = 0 ] || { grep -q ^RuleException $$account || cat $$account; $(GO_ON); }; \
	rm $$account; exit $$code

# With FULL (changes of the profile) or another PROFILE another benchmark is made, and the lessons,
# which show the committed one, are left alone.
figures: PROFILE ?= profiles/full.yaml
figures: $(STAMP) ## train every method in full on every seed, write figures/'s tables, run the lessons
	@echo "Every method on every crowd of $(PROFILE). What is done is kept."
	@$(PY) -m snakemake --quiet rules host \
		--snakefile workflow/full.smk --configfile $(PROFILE) \
		$(if $(FULL),--config $(FULL)) || { $(GO_ON); exit 1; }
	@$(if $(FULL)$(PROFILE:profiles/full.yaml=),,$(PY) -m snakemake --quiet rules host \
		--snakefile workflow/neighbours.smk || { $(GO_ON); exit 1; })
	@$(if $(FULL)$(PROFILE:profiles/full.yaml=),,$(PY) -m snakemake --quiet rules host \
		--snakefile workflow/groups.smk || { $(GO_ON); exit 1; })
	@$(if $(FULL)$(PROFILE:profiles/full.yaml=),,$(PY) -m snakemake --quiet rules host \
		--snakefile workflow/shifts.smk || { $(GO_ON); exit 1; })
	@$(if $(FULL)$(PROFILE:profiles/full.yaml=),,$(MAKE) --no-print-directory course)

figures-model: $(STAMP) ## steer and tune the small language model: an hour (SOURCE=folder of text)
	@$(PY) -m lore_core.language_model.weights
	@$(PY) -m snakemake --quiet rules host --snakefile workflow/steering.smk || { $(GO_ON); exit 1; }
	@for study in style where; do $(PY) -m snakemake --quiet rules host \
		--snakefile workflow/$$study.smk $(if $(SOURCE),--config source="$(SOURCE)") \
		|| { $(GO_ON); exit 1; }; done

# ON is a folder of profiles/ that says where jobs run; ARGS are more options of Snakemake.
sweep: SWEEP ?= profiles/sweep.yaml
sweep: ON ?= local
sweep: $(STAMP) ## every data set, concentration, method, rank and seed of SWEEP=file (ON=slurm, ARGS=...)
	@$(PY) workflow/sweep.py "$(SWEEP)" --workflow-profile "profiles/$(ON)" $(ARGS)

agree: $(STAMP) ## compare another machine's tables (WITH=folder) with those of figures/ (OTHER=...)
	@$(PY) workflow/agree.py "$(WITH)" "$(OTHER)"

# A lesson runs once as this CPU computes it, with its own parameters: outputs and figures have to be
# the committed ones; and once as an older CPU would, with small ones (tests/test_lessons.py).
# All parts run, whatever fails before.
test: export LORE_OUT = $(CURDIR)/build/test
test: $(STAMP) ## lint, unit tests, every lesson and solution against its stored outputs
	@failed=0; rm -rf build/test; \
	$(PY) -m ruff check . || failed=1; \
	$(PY) -m ruff format --check . || failed=1; \
	$(PY) -m mypy || failed=1; \
	$(PYTEST) $(NBVAL) tests notebooks || failed=1; \
	echo "The figures that the lessons drew:"; \
	$(PY) workflow/compare.py build/test || failed=1; \
	exit $$failed

quick: $(STAMP) ## unit tests alone, no lesson is run
	@$(PYTEST) -q -m "not lesson" tests

bench: $(STAMP) ## time the fits against the published procedure (ARGS="--large --write")
	$(PY) -m benchmarks $(ARGS)

lab: $(STAMP) ## open the course in JupyterLab (more options: ARGS="--port 8890")
	@$(PY) -m jupyterlab --ServerApp.root_dir=. $(ARGS) \
		--FileContentsManager.pre_save_hook=workflow.lessons.as_committed \
		--LabApp.default_url=/lab/tree/$(firstword $(sort $(wildcard notebooks/[0-9]*.ipynb)))

model: $(STAMP) ## bring the small language model and unpack it into build/model
	@$(PY) -m lore_core.language_model.weights

# MODEL, a decoder of your own, or another LAYER, POOLING or KIND leaves the committed files alone.
data: $(STAMP) ## rebuild data/ from the public text (SOURCE=folder of text, MODEL=another decoder)
	@$(if $(MODEL),,$(PY) -m lore_core.datasets.build.alpaca_eval $(if $(SOURCE),--source "$(SOURCE)"))
	@$(PY) -m lore_core.datasets.build.states $(if $(SOURCE),--source "$(SOURCE)") \
		$(if $(MODEL),--model "$(MODEL)") $(if $(LAYER),--layer $(LAYER)) \
		$(if $(POOLING),--pooling $(POOLING)) $(if $(KIND),--kind $(KIND))
	@$(if $(MODEL)$(LAYER)$(POOLING)$(KIND),,$(PY) -m lore_core.datasets.build.tail \
		$(if $(SOURCE),--source "$(SOURCE)"))
	@$(if $(MODEL)$(LAYER)$(POOLING)$(KIND),,$(PY) -m lore_core.datasets.build.shifts \
		$(if $(SOURCE),--source "$(SOURCE)"))

layers: $(STAMP) ## compare the layers of the language model (or of MODEL) by what they know
	@$(PY) -m lore_core.datasets.build.layers $(if $(SOURCE),--source "$(SOURCE)") \
		$(if $(MODEL),--model "$(MODEL)")

lessons: $(STAMP) ## maintainers: execute notebooks in place, refresh figures/ (ONLY="notebooks/03_*")
	@LORE_OUT="$(CURDIR)" $(PY) workflow/lessons.py $(ONLY)

rooms: $(STAMP) ## maintainers: draw the imports between the rooms into CONTRIBUTING.md
	@$(PY) workflow/rooms.py

claims: $(STAMP) ## maintainers: write claims.yml with its numbers to CLAIMS.md
	@$(PY) workflow/claims.py

# In a fresh environment, so that nothing else slips in. The build of torch is the index's choice.
lock: ## maintainers: make requirements.lock again from pyproject.toml
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install -qq "$$(grep '^torch==' requirements.lock)"
	@build/lock/bin/python -m pip install -qq -e '.[notebooks,hub,batch,scale,dev]'
	@build/lock/bin/python -m pip check
	@{ sed -n '/^#/p' requirements.lock; build/lock/bin/python -m pip freeze --all 2>/dev/null \
		| sed 's/+[a-z0-9.]*$$//' | grep -E '^[A-Za-z0-9_.-]+==' \
		| grep -v -i -E '^(pip|wheel|lore-course|nvidia-.*|cuda-.*|triton)=='; } > build/new.lock
	@mv build/new.lock requirements.lock && rm -rf build/lock

clean: ## remove what was built; .venv stays (rm -rf .venv)
	rm -rf build .snakemake .ruff_cache .mypy_cache .hypothesis *.egg-info
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -print0 \
		| xargs -0 rm -rf
