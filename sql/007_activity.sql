-- The other tables that only grow, partitioned by month. None refers to receipts(id) by foreign key: alone it is not
-- unique across partitions.

create table claim_events (
  id         uuid        not null,
  receipt_id uuid        not null,
  event      text        not null,
  created_at timestamptz not null default now(),
  primary key (id, created_at)
) partition by range (created_at);

-- Counts of the last hours or days.
create index on claim_events (created_at);
select audit.partition_by_month('claim_events');

create table aegis_scans (
  id             uuid        not null default gen_random_uuid(),
  receipt_id     uuid,
  content_hash   text,
  safe           boolean     not null,
  threat_level   text        not null,
  detections     jsonb       not null default '[]',
  detector_stats jsonb,
  scan_time_ms   real,
  mode           text        not null default 'block',
  scan_target    text        not null default 'input',
  tool_name      text,
  created_at     timestamptz not null default now(),
  primary key (id, created_at)
) partition by range (created_at);

create index on aegis_scans (created_at);
create index on aegis_scans (receipt_id) where receipt_id is not null;
-- The list of threats.
create index aegis_scans_unsafe on aegis_scans (created_at) where not safe;
select audit.partition_by_month('aegis_scans');

create table sentinel_agent_snapshots (
  id             uuid        not null default gen_random_uuid(),
  agent_id       text        not null,
  total_actions  int         not null default 0,
  allow_count    int         not null default 0,
  deny_count     int         not null default 0,
  approval_count int         not null default 0,
  error_count    int         not null default 0,
  total_cost     real        not null default 0,
  avg_latency_ms real        not null default 0,
  deny_rate      real        not null default 0,
  risk_score     int         not null default 100,
  snapshot_at    timestamptz not null default now(),
  primary key (id, snapshot_at)
) partition by range (snapshot_at);

select audit.partition_by_month('sentinel_agent_snapshots');

create table shadow_evaluations (
  id                    uuid        not null default gen_random_uuid(),
  receipt_id            text        not null,
  active_policy_id      text        not null,
  active_policy_version text        not null,
  active_decision       text        not null,
  active_matched_rule   text,
  active_reason         text,
  shadow_policy_id      text        not null,
  shadow_policy_version text        not null,
  shadow_decision       text        not null,
  shadow_matched_rule   text,
  shadow_reason         text,
  decisions_agree       boolean     not null,
  created_at            timestamptz not null default now(),
  primary key (id, created_at)
) partition by range (created_at);

create index on shadow_evaluations (created_at);
-- Where the two policies differ, newest first.
create index shadow_evaluations_differing on shadow_evaluations (created_at) where not decisions_agree;
select audit.partition_by_month('shadow_evaluations');

-- One row per action with a cost: it grows as receipts do. Deleting a budget deletes its rows.
create table budget_ledger (
  id            uuid        not null default gen_random_uuid(),
  budget_id     uuid        not null,
  envelope_id   text        not null,
  principal_id  text        not null constraint principal_id_length check (octet_length(principal_id) <= 1024),
  action_type   text        not null,
  amount        real        not null,
  running_total real        not null,
  created_at    timestamptz not null default now(),
  primary key (id, created_at)
) partition by range (created_at);

create index on budget_ledger (principal_id, created_at);
create index on budget_ledger (budget_id);
select audit.partition_by_month('budget_ledger');
