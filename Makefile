# Gatehouse's front door. Every target does the set-up that it needs.
#   make up [STACK=dev]     see `make help`

STACK ?= dev
export STACK SECRETS FORCE REFRESH

.DEFAULT_GOAL := help
.PHONY: help up preview down outputs env test lint bench doctor clean node

front := node toolchain/cli.js
bin := node_modules/.bin

help:
	@echo 'make up        create or update the stack, then print its URLs (REFRESH=1: repair changes by hand, too)'
	@echo 'make preview   show what "make up" would change'
	@echo 'make down      remove the stack and every trace of it (FORCE=1: even where its state is lost)'
	@echo 'make outputs   print the stack outputs as JSON (SECRETS=1: secret ones too)'
	@echo 'make env       print exports with which a plain pulumi works on the same state'
	@echo 'make test      run all tests'
	@echo 'make lint      check types, style and formatting'
	@echo 'make bench     measure, and write the figures to a file (DOCS=1: to docs/benchmarks.md too)'
	@echo 'make doctor    check this computer: each finding comes with a remedy'
	@echo 'make clean     remove cached images, tools and local state'
	@echo
	@echo 'STACK=name chooses the stack (Pulumi.<name>.yaml); the default is dev.'

up preview down outputs env doctor clean: node
	@$(front) $@

# Without a set-up there is nothing to count, but CI reads a closing line.
test: node
	@$(front) setup --for test || { echo '0 passed, 1 failed'; exit 1; }
	@$(front) run --for test -- mocha --config tests/all.mocharc.cjs

lint: node
	@$(front) packages
	@$(bin)/tsc
	@$(bin)/eslint .
	@$(bin)/prettier --check --log-level warn .

bench: node
	@$(front) run --for bench -- tsx bench/main.ts $(if $(DOCS),--docs)

# cli.js checks the version.
node:
	@command -v node >/dev/null || { \
	    echo 'error: Node is not installed' >&2; \
	    echo '  what to do: install Node 20.12 or later from https://nodejs.org' >&2; exit 1; }
