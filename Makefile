# Gatehouse's front door. Every target does the set-up that it needs.
#   make up [STACK=dev]     see `make help`

STACK ?= dev
export STACK SECRETS FORCE

.DEFAULT_GOAL := help
.PHONY: help up preview down outputs env test lint bench doctor clean node

front := node toolchain/cli.js
bin := node_modules/.bin

help:
	@echo 'make up        create or update the stack, then print its URLs'
	@echo 'make preview   show what "make up" would change'
	@echo 'make down      remove the stack and every trace of it (FORCE=1: even where its state is lost)'
	@echo 'make outputs   print the stack outputs as JSON (SECRETS=1: secret ones too)'
	@echo 'make env       print exports with which a plain pulumi works on the same state'
	@echo 'make test      run all tests'
	@echo 'make lint      check types, style and formatting'
	@echo 'make bench     measure, and write the figures to a file'
	@echo 'make doctor    check this computer: each finding comes with a remedy'
	@echo 'make clean     remove cached images, tools and local state'
	@echo
	@echo 'STACK=name chooses the stack (Pulumi.<name>.yaml); the default is dev.'

up preview down outputs env doctor clean: node
	@$(front) $@

test: node
	@$(front) setup --for test
	@$(MAKE) --no-print-directory lint
	@$(bin)/mocha

lint: node
	@$(front) packages
	@$(bin)/tsc
	@$(bin)/eslint .
	@$(bin)/prettier --check --log-level warn .

bench: node
	@$(front) setup
	@$(bin)/tsx bench/main.ts

# cli.js checks the version.
node:
	@command -v node >/dev/null || { \
	    echo 'error: Node is not installed' >&2; \
	    echo '  what to do: install Node 20.12 or later from https://nodejs.org' >&2; exit 1; }
