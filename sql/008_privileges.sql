-- Each role gets what its work needs and nothing else; each migration that adds a table or function grants on it in the
-- same way (on the database: 019). Partitions are reached through their table only: nothing is ever granted on them.

revoke all on schema public, audit from public;
grant usage on schema public, audit
  to authensor_app, authensor_telemetry, authensor_monitor, authensor_auditor, authensor_verifier, authensor_archiver,
     authensor_maintenance;

-- The control plane, unmodified (the statements it sends are listed in AUTHENSOR.md). It cannot remove a receipt, nor
-- change what was decided: only what happens to the decision afterwards.
grant select on receipts to authensor_app;
grant insert (
  id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision, approval, approval_status,
  execution, result, error, created_at, updated_at, claim_id, claimed_at, claim_expires_at, execution_attempts,
  receipt_hash, prev_receipt_hash, rekor_entry_id, parent_receipt_id
) on receipts to authensor_app;
grant select, insert on
  claim_events, approval_responses, aegis_scans, sentinel_agent_snapshots, shadow_evaluations
  to authensor_app;
grant update (
  status, approval, approval_status, execution, result, error,
  claim_id, claimed_at, claim_expires_at, execution_attempts, updated_at, rekor_entry_id
) on receipts to authensor_app;

grant select, insert, update (policy, is_active)                 on policies        to authensor_app;
grant select, insert, update (policy_id, version, activated_at)  on active_policies to authensor_app;
grant select, insert, update (last_used_at, revoked_at, principal_id) on api_keys   to authensor_app;
grant select, update (disable_execution, disable_http, disable_github, disable_stripe, updated_at) on controls
  to authensor_app;
grant select, insert, update (status, acknowledged_at, resolved_at) on sentinel_alerts to authensor_app;
grant select, insert, delete, update (budget_amount, spent_amount, currency, reset_at, updated_at) on budgets
  to authensor_app;
grant select, insert, delete on budget_ledger to authensor_app;

-- The auditor reads everything but what authenticates; so do the verifier and the archiver, its members (019).
grant select on
  receipts, claim_events, approval_responses, aegis_scans, sentinel_agent_snapshots, sentinel_alerts,
  shadow_evaluations, policies, active_policies, controls, budgets, budget_ledger, audit.migrations
  to authensor_auditor;
grant select (id, name, role, created_at, revoked_at, last_used_at, key_prefix, principal_id) on api_keys
  to authensor_auditor;

-- The monitor sees which months exist, and through pg_monitor how large they are; not what is in them.
grant execute on function audit.month_of(timestamptz), audit.month_start(date), audit.list_partitions()
  to authensor_app, authensor_telemetry, authensor_monitor, authensor_auditor, authensor_maintenance;
grant select on audit.partitions to authensor_monitor, authensor_auditor, authensor_maintenance;

-- Maintenance makes months and moves rows into them, through functions that run as the owner: it reads no row, and can
-- neither drop, alter nor detach what they do not.
grant execute on function
  audit.missing_months(int), audit.make_month(regclass, date),
  audit.drain_start(regclass, int), audit.drain_copy(regclass), audit.drain_apply(regclass, int),
  audit.drain_finish(regclass), audit.drain_release(regclass)
  to authensor_maintenance;
