# Every command of this project. "./authensor <command>" is the same as the local ones, with exit codes of its own:
# make itself ends with 2 whatever went wrong.
.PHONY: help local status down clean cron drill failover psql verify anchor search hold reconcile pulumi test test-engine bench lint format

# A mistyped variable would be ignored in silence.
variables := SET NAME ROLE Q ARGS
unknown := $(filter-out $(variables) MAKEFLAGS,$(foreach v,$(.VARIABLES),$(if $(findstring command,$(origin $v)),$v)))
$(if $(unknown),$(error unknown variable $(unknown); known: $(variables). For example: make cron NAME=partitions))

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 — /p' $(MAKEFILE_LIST)

local: ## start everything on this machine, or update what changed (SET="maxConnections=150 …" for one run)
	@./authensor up $(foreach setting,$(SET),--set '$(setting)')

status: ## what runs where, and how well
	@./authensor status

down: ## stop everything, keep the data
	@./authensor down

clean: ## stop everything and delete it
	@./authensor clean

cron: ## run a CronJob now (NAME=partitions)
	@./authensor cron $(NAME)

drill: ## restore the copies of the backups into a scratch instance, prove them, and remove it
	@./authensor drill

failover: ## rehearse the loss of the primary's region under write load (ARGS=--and-back, --zone, --planned or --behind; docs/failover.md)
	@./authensor failover $(ARGS) $(foreach setting,$(SET),--set '$(setting)')

psql: ## SQL as a role (ROLE=auditor; also owner, monitor, replica …)
	@./authensor psql $(ROLE)

verify: ## verify the trail (ARGS="--from-anchor anchor.json"; ARGS=--help lists all)
	@./authensor verify $(ARGS)

anchor: ## print where every chain ends now (ARGS="--output anchor.json")
	@./authensor anchor $(ARGS)

search: ## find receipts (Q="refund stripe", or an id; ARGS="--since 7d", ARGS=--latest)
	@./authensor search $(ARGS) $${Q:+-- "$$Q"}

hold: ## keep months from expiring in the bucket (ARGS=list; ARGS=--help says how)
	@./authensor hold $(ARGS)

reconcile: ## name receipts that a failover left behind (ARGS=--bring-in stores them; ARGS=--help says how)
	@./authensor reconcile $(ARGS)

pulumi: ## Pulumi's own command line on a local cloud of its own (ARGS="up"; docs/engine.md)
	@./authensor pulumi $(or $(ARGS),up)

test: ## every test there is, linting first
	@./authensor prepare && npm run --silent lint && npm test --silent

test-engine: ## this program under Pulumi's own engine; needs its command line (docs/engine.md)
	@./authensor prepare && npm run --silent test-engine

bench: ## measurements, side by side (ARGS="--quick inserts reads …")
	@./authensor packages && npx tsx bench/index.ts $(ARGS)

lint: ## eslint, prettier, tsc
	@./authensor packages && npm run --silent lint

format: ## prettier and eslint's own repairs
	@./authensor packages && npm run --silent format
