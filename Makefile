# Orrery. `make run` shows a first report; `make help` lists the rest.
# Needs Debian 12 (or a relative of it) and Swift 6.3; what else is needed comes by apt.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything that comes from Debian: GSL and OpenBLAS for the fits, Chart.js for the pages, Chromium for the tests that look at the pages.
PACKAGES := libgsl-dev libopenblas-dev libsqlite3-dev libjs-chart.js chromium
SCENARIO ?= scenarios/llama3-405b-16k.yaml
OUT ?= out/$(basename $(notdir $(SCENARIO)))
# Tables of measured runs (CSV, see docs/validation.md). They are other people's data and no part of this repository.
TRUTH ?= ../shared/truth
TRUTH2 ?= ../shared/truth2
WEEKS ?= $(wildcard $(CURDIR)/../shared/weeks)
# Tables of measured kernels (see docs/measurements.md), likewise. Those in parquet need a PYTHON with pyarrow; without it they are left out.
KERNELS ?= ../shared/kernels
PYTHON ?= python3
ORRERY := .build/release/orrery
PREFIX ?= $(HOME)/.local
SERVER := Workbench/Server/.build/release/orrery-serve
PORT ?= 8765
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# The CUDA compiler, and what the plug-in is compiled for; for Blackwell add -gencode arch=compute_100,code=sm_100.
NVCC ?= nvcc
CUDA_TARGETS ?= -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90
# More flags: -DORRERY_WITH_CUDNN -I... -lcudnn takes cuDNN's attention in (needs cudnn_frontend.h).
CUDA_FLAGS ?=
CUBLAS ?= -lcublasLt
# What make predict-run predicts from, where it is; make calibrate writes one for this machine.
CALIBRATION ?= reports/calibration/cpu-amd-epyc.csv
CALIBRATED = $(if $(wildcard $(CALIBRATION)),--calibration $(CALIBRATION))

.PHONY: help deps build install static wheel test-python dist run serve test bench scale field calibrate cuda cuda-registry cuda-emulated simgrid claims cosim weeks predict-run validate planner-check fit fit-kernels format record clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

# apt is asked for what is missing only, so that a machine that has everything needs no network for it.
deps:
	@command -v swift >/dev/null || { echo "swift is not installed: see https://www.swift.org/install/linux/" >&2; exit 1; }
	@missing=(); for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q '^install ok installed$$' || missing+=("$$package"); \
	done; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
	  echo "Installing $${missing[*]}"; \
	  $(SUDO) apt-get update -qq; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi

build: deps ## the program and the C library, in .build/release
	swift build -c release --product orrery
	swift build -c release --product OrreryC

install: build ## the program, into PREFIX/bin (default ~/.local/bin), with completions for bash, zsh and fish
	@mkdir -p $(PREFIX)/bin $(PREFIX)/share/bash-completion/completions $(PREFIX)/share/zsh/site-functions $(PREFIX)/share/fish/vendor_completions.d
	@install -m 755 $(ORRERY) $(PREFIX)/bin/orrery
	@$(ORRERY) --generate-completion-script bash > $(PREFIX)/share/bash-completion/completions/orrery
	@$(ORRERY) --generate-completion-script zsh > $(PREFIX)/share/zsh/site-functions/_orrery
	@$(ORRERY) --generate-completion-script fish > $(PREFIX)/share/fish/vendor_completions.d/orrery.fish
	@if [ -x $(SERVER) ]; then install -m 755 $(SERVER) $(PREFIX)/bin/orrery-serve; fi
	@echo "$(PREFIX)/bin/orrery"; case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "Add it to the path: export PATH=$(PREFIX)/bin:\$$PATH";; esac

# The program with its libraries inside: GSL, SQLite and Swift's own are linked from their archives, which a folder of links puts before the shared ones.
STATIC := .build-static
VERSION = $(shell sed -n 's/.*programVersion = "\(.*\)"/\1/p' Sources/Studies/Study.swift)
MACHINE := $(shell uname -m)
static: deps
	@mkdir -p $(STATIC)/archives dist
	@for name in gsl gslcblas sqlite3; do ln -sf "$$(gcc -print-file-name=lib$$name.a)" $(STATIC)/archives/; done
	swift build -c release --product orrery --scratch-path $(STATIC) --static-swift-stdlib -Xlinker -L$(CURDIR)/$(STATIC)/archives
	@strip -o $(STATIC)/orrery $(STATIC)/release/orrery

wheel: static ## the Python package with the program inside, dist/orrery-*.whl
	@$(PYTHON) Python/build_wheel.py $(STATIC)/orrery $(VERSION) dist

test-python: wheel ## install the wheel into a fresh environment and run its tests there
	@rm -rf $(STATIC)/environment && $(PYTHON) -m venv $(STATIC)/environment
	@$(STATIC)/environment/bin/pip install --quiet dist/orrery-$(VERSION)-*.whl
	@cd $(STATIC) && environment/bin/python $(CURDIR)/Python/tests/test_orrery.py

dist: static ## an archive of the program that runs on a bare Debian 12, dist/orrery-*.tar.xz
	@rm -rf $(STATIC)/orrery-$(VERSION) && mkdir -p $(STATIC)/orrery-$(VERSION)/completions
	@cp $(STATIC)/orrery README.md CHANGELOG.md $(STATIC)/orrery-$(VERSION) && cp -r docs scenarios $(STATIC)/orrery-$(VERSION)
	@for shell in bash zsh fish; do $(STATIC)/orrery --generate-completion-script $$shell > $(STATIC)/orrery-$(VERSION)/completions/orrery.$$shell; done
	@tar -C $(STATIC) -cJf dist/orrery-$(VERSION)-linux-$(MACHINE).tar.xz orrery-$(VERSION)
	@ls -l dist/orrery-$(VERSION)-linux-$(MACHINE).tar.xz

run: build ## a report on Llama 3 405B on 16,384 H100 (SCENARIO=..., OUT=...)
	@$(ORRERY) run $(SCENARIO) --report $(OUT)
	@echo "Report: $(OUT)/report.html"

serve: deps ## build the what-if page's server and open it (PORT=8765; the first build takes 8 minutes)
	@[ -x $(SERVER) ] || echo "The first build of the server fetches packages and takes about 8 minutes on two cores."
	swift build -c release --package-path Workbench/Server --product orrery-serve
	@$(SERVER) --port $(PORT)

test: deps ## build all and run every test
	swift build --build-tests
	swift test --skip-build --parallel

bench: deps ## check the committed budgets of Benchmarks/
	swift run -c release --package-path Benchmarks orrery-benchmarks

scale: build ## how time and memory grow over two decades of GPUs and rows (5 minutes); writes reports/scale.md, fails above the power 1.1
	@$(PYTHON) Benchmarks/scale.py $(ORRERY) $(CURDIR)

field: build ## predict the runs that people reported (reports/field/runs.yaml); writes reports/field.md
	@$(PYTHON) Benchmarks/field.py $(ORRERY) $(CURDIR)

simgrid: deps ## compare the fabric's answers and speed with SimGrid 3.32 (installs libsimgrid-dev; 5 minutes); writes reports/fabric
	@dpkg-query -W -f='$${Status}' libsimgrid-dev 2>/dev/null | grep -q '^install ok installed$$' || \
	  { $(SUDO) apt-get update -qq; $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libsimgrid-dev g++ >/dev/null; }
	@mkdir -p out reports/fabric
	g++ -O3 -std=c++17 Benchmarks/SimGrid/driver.cpp -o out/simgrid-driver -lsimgrid
	swift run -c release --package-path Benchmarks fabric-against-simgrid $(CURDIR)/out/simgrid-driver $(CURDIR)/reports/fabric/simgrid.md

calibrate: build ## time this machine's kernels and links (4 minutes); writes reports/calibration/cpu-*.csv and the held-out errors
	@mkdir -p reports/calibration out
	@$(ORRERY) calibrate cpu --output out/cpu.$$$$.csv --budget 4min > out/cpu.txt; \
	  device=$$(sed -n '1s/,.*//p' out/cpu.txt); mv out/cpu.$$$$.csv "reports/calibration/cpu-$$device.csv"; cat out/cpu.txt; \
	  { echo "# Calibration of $$device"; echo; \
	    echo 'Made by `make calibrate` (docs/calibrate.md): every fifth shape of each kernel predicted by a fit to the others; errors are median and'; \
	    echo '90th percentile of |predicted/measured - 1|, noise is the median spread of the repeats.'; echo; echo '```text'; \
	    sed "s|out/cpu.[0-9]*.csv|reports/calibration/cpu-$$device.csv|" out/cpu.txt; echo; \
	    $(ORRERY) calibrate cpu --check-file "reports/calibration/cpu-$$device.csv"; echo '```'; } > "reports/calibration/cpu-$$device.md"; \
	  tail -3 "reports/calibration/cpu-$$device.md" | head -2

cuda: ## compile the CUDA plug-in to .build/liborrery_cuda.so, where there is nvcc
	@if command -v $(NVCC) >/dev/null; then \
	  mkdir -p .build; \
	  $(NVCC) -std=c++17 -O3 -shared -Xcompiler -fPIC $(CUDA_TARGETS) -ISources/COrreryCUDA Sources/Kernels/CUDA/plugin/*.cu -o .build/liborrery_cuda.so \
	    $(CUDA_FLAGS) $(CUBLAS) -ldl && echo "Compiled .build/liborrery_cuda.so with $$($(NVCC) --version | tail -1): nothing was run."; \
	else \
	  echo "No $(NVCC) here: the CUDA plug-in was not compiled, and orrery calibrate cuda will say that it is missing."; \
	  echo "Install the CUDA toolkit, or compile without a GPU by: make cuda-registry"; \
	fi

cuda-registry: ## compile the CUDA plug-in with the compiler of Python's package registry (no GPU is needed)
	@$(PYTHON) -m venv out/cuda
	@out/cuda/bin/pip install -q nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-cccl nvidia-cuda-runtime nvidia-cublas \
	  || { echo "The registry gave no CUDA compiler: the plug-in was not compiled." >&2; exit 1; }
	@home=$$(echo $(CURDIR)/out/cuda/lib/python3*/site-packages/nvidia/cu13); \
	  $(MAKE) cuda NVCC="$$home/bin/nvcc" CUDA_FLAGS="-I$$home/include -L$$home/lib -Xlinker -rpath=$$home/lib" CUBLAS=-l:libcublasLt.so.13

# ORDERS: of the threads of a block; the first is ascending, the others are shuffled. SANITIZE= leaves the address sanitizer out.
ORDERS ?= 2
SANITIZE ?= -fsanitize=address -fno-omit-frame-pointer
cuda-emulated: ## compare every CUDA kernel with a plain computation, on the CPU (3 minutes, no GPU); makes .build/liborrery_cuda_emulated.so
	@mkdir -p out/emulated .build
	@for file in Sources/Kernels/CUDA/plugin/*.cu; do \
	  $(PYTHON) Sources/Kernels/CUDA/emulation/translate.py "$$file" > "out/emulated/$$(basename "$$file" .cu).cpp"; \
	done
	@flags="-std=c++17 -g -Wall -Wno-sign-compare -ISources/Kernels/CUDA/emulation -ISources/Kernels/CUDA/plugin -ISources/COrreryCUDA"; \
	  runtime="$$(ls Sources/Kernels/CUDA/emulation/*.cpp | grep -v check)"; \
	  $(CXX) $$flags -O1 $(SANITIZE) out/emulated/*.cpp Sources/Kernels/CUDA/emulation/*.cpp -o out/emulated/check -lopenblas -ldl; \
	  ASAN_OPTIONS=detect_leaks=0 out/emulated/check $(ORDERS); \
	  $(CXX) $$flags -O2 -shared -fPIC out/emulated/*.cpp $$runtime -o .build/liborrery_cuda_emulated.so -lopenblas -ldl
	@echo "Compiled .build/liborrery_cuda_emulated.so: orrery calibrate cuda --plugin takes it; its times say nothing and are refused for predictions."

claims: build ## measure every claim, by simulation and by running the algorithms on 5 seeds (3 minutes); writes reports/claims
	$(MAKE) -C Benchmarks/Numerics claims
	@{ echo "# Verdicts on the claims"; echo; \
	  echo 'Made by `make claims` ([how](../../docs/claims.md)): the first measure of each claim; `orrery claims C14` shows all of one.'; echo; \
	  $(ORRERY) claims --markdown; } > out/verdicts.md && mv out/verdicts.md reports/claims/verdicts.md

cosim: build ## claims about methods, from small models trained under simulated clocks (about 15 minutes); writes reports/cosim
	@$(PYTHON) Benchmarks/cosim.py $(ORRERY) $(CURDIR)

weeks: ## runs of weeks beside published facts (WEEKS=folder of facts.csv and traces; a minute); writes reports/weeks
	@mkdir -p reports/weeks
	swift run -c release --package-path Benchmarks weeks-facts $(CURDIR)/reports/weeks/facts.md $(WEEKS)

predict-run: build ## predict twenty-five small training jobs, run them on this machine, compare; writes reports/execute (minutes; best on a quiet machine)
	@mkdir -p reports/execute
	$(ORRERY) execute scenarios/execute/{0,1}*.yaml scenarios/execute/20*.yaml --table reports/execute/predict-run.md $(CALIBRATED)
	$(ORRERY) execute scenarios/execute/2[1-9]*.yaml --table reports/execute/schedules-and-sockets.md $(CALIBRATED)

validate: build ## score the predictions against measured runs in TRUTH; writes reports/validation and the summary in docs
	@shopt -s nullglob; tables=($(TRUTH)/*.csv $(TRUTH2)/*.csv); \
	if [ "$${#tables[@]}" -eq 0 ]; then echo "No tables of measured runs in $(TRUTH): set TRUTH=folder" >&2; exit 1; fi; \
	mkdir -p reports/validation out/validation; \
	$(ORRERY) validate "$${tables[@]}" --report out/validation > out/validation/rows.txt; \
	$(ORRERY) validate "$${tables[@]}" --quiet --csv > out/validation/rows.csv
	@sed -n '/^  by file/,$$p' out/validation/rows.txt > out/summary.txt
	@cp out/summary.txt reports/validation/summary.txt
	@chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=out/chromium --hide-scrollbars \
	  --virtual-time-budget=5000 --window-size=1200,1060 --screenshot=reports/validation/predicted-against-measured.png \
	  "file://$(CURDIR)/out/validation/validation.html" 2>/dev/null
	@echo "Every row: out/validation/validation.html, rows.txt, rows.csv"
	@awk -v summary=out/summary.txt '/validation:summary:end/ { hidden = 0 } !hidden { print } \
	  /validation:summary:begin/ { print "```text"; while ((getline line < summary) > 0) print line; print "```"; hidden = 1 }' \
	  docs/validation.md > out/page.md; cp out/page.md docs/validation.md

# The tests in release, so with their internals made visible; the answers are those of any build.
planner-check: build ## search 50 spaces and simulate all of each; search for every job of TRUTH (10 minutes); writes reports/planner
	@mkdir -p reports/planner out
	swift build -c release --build-tests --scratch-path out/planner-check -Xswiftc -enable-testing
	ORRERY_FULL=1 ORRERY_RECORD=1 swift test -c release --skip-build --scratch-path out/planner-check -Xswiftc -enable-testing \
	  --filter 'ExhaustiveTests|FlowSearchTests|SpeedTests'
	@shopt -s nullglob; tables=($(TRUTH)/*.csv); \
	if [ "$${#tables[@]}" -eq 0 ]; then echo "No tables of measured runs in $(TRUTH): set TRUTH=folder" >&2; exit 1; fi; \
	{ echo "# Published layouts against the planner's choice"; echo; \
	  echo 'Made by `make planner-check`: `orrery search TRUTH/*.csv --exhaustive 0 --time-budget 20`.'; echo; \
	  $(ORRERY) search "$${tables[@]}" --exhaustive 0 --time-budget 20 --quiet || echo "(exit status $$?)"; } > reports/planner/published-layouts.md

fit: build ## fit the profiles to TRUTH and TRUTH2, judged by rows left out (minutes); writes profiles and reports/calibration
	@mkdir -p reports/calibration out
	$(ORRERY) calibrate fit $(wildcard $(TRUTH)/*.csv $(TRUTH2)/*.csv) --refine 1 --output Sources/Calibration/Resources/profiles.yaml > out/left-out.txt
	@{ echo "# Left-out errors of the calibration"; echo; \
	  echo 'Made by `make fit`: each group of rows of one stack, width and number of experts predicted with constants fitted without it.'; \
	  echo "The rows themselves are other people's data and not kept here."; echo; echo '```text'; \
	  sed -n '/^  by file/,$$p' out/left-out.txt; echo '```'; } > reports/calibration/left-out.md

fit-kernels: build ## fit kernel formulas to the tables in KERNELS, a fifth held out (minutes); writes reports/calibration/kernels.md
	@mkdir -p reports/calibration out/kernels
	@$(PYTHON) -c 'import pyarrow' 2>/dev/null || echo "$(PYTHON) has no pyarrow: tables in parquet are left out" >&2
	@find $(KERNELS) \( -path '*aiconfigurator*' -name '[gcn]*_perf.parquet' ! -name 'custom*' -o -path '*neusight*' -name '*.csv.gz' \
	    -o -path '*vidur*' -name '*.csv*' -o -path '*nccl_tests_tables*' -name '*.csv' -o -path '*simumax*' -name '*.json' \) | sort \
	  | while read -r file; do name="$${file#$(KERNELS)/}"; name="out/kernels/$${name//\//_}"; \
	    case "$$file" in \
	      *.parquet) $(PYTHON) -c 'import sys, pyarrow.parquet as p, pyarrow.csv as c; c.write_csv(p.read_table(sys.argv[1]), sys.argv[2])' \
	        "$$file" "$${name%.parquet}.csv" 2>/dev/null || true;; \
	      *.gz) zcat "$$file" > "$${name%.gz}";; \
	      *) cp "$$file" "$$name";; \
	    esac; done; chmod -R u+w out/kernels
	$(ORRERY) calibrate fit --quiet --output out/kernels.yaml --kernels out/kernels/* > out/kernels.md
	@{ echo "# Held-out errors of fitted kernels"; echo; \
	  echo 'Made by `make fit-kernels`: every fifth shape of each kernel, in order of duration, predicted by a fit to the others. Errors'; \
	  echo 'are median/90th percentile of |predicted/measured - 1| in per cent; "formula": the formula alone, "table": with the interpolated'; \
	  echo 'residual of the other shapes (neighbours in a dense table are close, so this is the error between measured shapes, not far from them);'; \
	  echo '"train": shapes of training size only; "noise": differences between repeats; "reference": held-out figures of an independent fit of'; \
	  echo "the same formula in Python. The tables are other people's data (ai-dynamo/aiconfigurator, sitar-lab/NeuSight, microsoft/vidur,"; \
	  echo 'MooreThreads/SimuMax, nccl-tests issues) and not kept here.'; echo; cat out/kernels.md; } > reports/calibration/kernels.md

format: ## format the sources in place
	swift format -i -r Sources Tests Benchmarks Package.swift

record: deps ## write the expected results, transcripts and key table anew; look at `git diff` afterwards
	swift build --build-tests
	-ORRERY_RECORD=1 swift test --skip-build --filter 'ScenarioTests|DocumentationTests'
	git status --short scenarios docs README.md

clean: ## remove what was built
	rm -rf .build Benchmarks/.build Workbench/Server/.build out
