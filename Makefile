# Gatehouse's front door. Every target does the set-up that it needs.
#   make up [STACK=dev]     see `make help`

STACK ?= dev
export STACK SECRETS FORCE EXPIRED REFRESH ONLY DOCS FROM INTO CONFIRM SPEED

.DEFAULT_GOAL := help
.PHONY: help up preview down outputs env snapshot restore test lint bench drill rehearse doctor clean node

front := node toolchain/cli.js
bin := node_modules/.bin

help:
	@echo 'make up        create or update the stack, then print its URLs (REFRESH=1: repair changes by hand, too)'
	@echo 'make preview   show what "make up" would change'
	@echo 'make down      remove the stack and every trace of it (FORCE=1: even where its state is lost;'
	@echo '               EXPIRED=1: only when its time to live is over)'
	@echo 'make outputs   print the stack outputs as JSON (SECRETS=1: secret ones too)'
	@echo 'make env       print exports with which a plain pulumi works on the same state'
	@echo 'make snapshot  take snapshots of the clusters now, and fetch a copy (labs routed and etcd)'
	@echo 'make restore   restore the newest into throwaway servers here and compare with the running cluster'
	@echo '               (FROM=time: older ones; INTO=running FROM=time CONFIRM=stack: into the cluster itself)'
	@echo 'make rehearse  bring a Linode stack up and down on an emulated Linode: no account, no token, no cost (STACK=linode'
	@echo '               by default; SPEED=1: with the real delays)'
	@echo 'make test      run all tests'
	@echo 'make lint      check types, style and formatting'
	@echo 'make bench     measure, and write the figures to a file (DOCS=1: to docs/benchmarks.md too)'
	@echo 'make drill     break things in a running routed lab on purpose, under load, put them back, and measure what its'
	@echo '               users notice (STACK=name has no default here; ONLY="name …": some drills; DOCS=1: to docs/drills.md)'
	@echo 'make doctor    check this computer: each finding comes with a remedy'
	@echo 'make clean     remove cached images, tools and local state'
	@echo
	@echo 'STACK=name chooses the stack (Pulumi.<name>.yaml); the default is dev.'

up preview down outputs env doctor clean: node
	@$(front) $@

snapshot: node
	@$(front) run --for snapshots -- tsx snapshots/main.ts take

restore: node
	@$(front) run --for snapshots -- tsx snapshots/main.ts restore

# Without a set-up there is nothing to count, but CI reads a closing line.
test: node
	@$(front) setup --for test || { echo '0 passed, 1 failed'; exit 1; }
	@$(front) run --for test -- node tests/all.cjs

lint: node
	@$(front) packages
	@$(bin)/tsc
	@$(bin)/eslint .
	@$(bin)/prettier --check --log-level warn .

bench: node
	@$(front) run --for bench -- tsx bench/main.ts $(if $(DOCS),--docs)

# What somebody may be using is not broken by default.
drill: node
	@[ '$(origin STACK)' != file ] || { \
	    echo 'error: drills break things on purpose: which stack?' >&2; \
	    echo '  what to do: make drill STACK=routed, or another stack of the lab routed that nobody needs now' >&2; exit 1; }
	@$(front) run --for routed -- tsx drills/main.ts

# Its default is another one than the rest's.
rehearse: export STACK := $(if $(filter file,$(origin STACK)),linode,$(STACK))
rehearse: node
	@$(front) run --for rehearsal -- tsx rehearsal/main.ts

# cli.js checks the version.
node:
	@command -v node >/dev/null || { \
	    echo 'error: Node is not installed' >&2; \
	    echo '  what to do: install Node 20.12 or later from https://nodejs.org' >&2; exit 1; }
