-- Receipts: one per decision, partitioned by month of created_at.

create table receipts (
  id                 uuid        not null,
  envelope_id        uuid        not null,
  status             text        not null,
  decision_outcome   text        not null,
  tool_name          text,
  actor_id           text,
  envelope           jsonb       not null,
  decision           jsonb       not null,
  approval           jsonb,
  approval_status    text,
  execution          jsonb,
  result             jsonb,
  error              jsonb,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  claim_id           uuid,
  claimed_at         timestamptz,
  claim_expires_at   timestamptz,
  execution_attempts int         not null default 0,
  receipt_hash       text,
  prev_receipt_hash  text,
  rekor_entry_id     text,
  parent_receipt_id  uuid

  -- No key here: each month has one, id alone (002). It serves look-ups by id, which read one index per month: every
  -- further index costs them planning time too (at 36 months 0.08 ms each), so there is none without a reader.

  -- No CHECK: PostgreSQL reads each one's expression anew for every statement, and at planning once more for every
  -- month. The values that are known, and a claim's rules, are checked by the triggers of 011 and 013, which are read
  -- once per session.
) partition by range (created_at);

-- The latest receipts; the chain's newest and oldest.
create index on receipts (created_at);
-- Lists filtered by agent, tool or status, newest first; the pending ones whose approval has expired.
create index on receipts (actor_id, created_at);
create index on receipts (tool_name, created_at);
create index on receipts (status, created_at);
-- What was denied: few rows, asked for most.
create index receipts_denied on receipts (created_at) where decision_outcome = 'deny';
-- What an agent's receipt led to in others.
create index receipts_children on receipts (parent_receipt_id) where parent_receipt_id is not null;

select audit.partition_by_month('receipts', options => array[
  'autovacuum_vacuum_insert_scale_factor=0.05',
  'autovacuum_analyze_scale_factor=0.02',
  -- A receipt is claimed and finished soon after it was written: room for its next version on the same page.
  'fillfactor=90'
]);
