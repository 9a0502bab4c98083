-- The control plane's tables that stay small. Names and types are the control plane's own.

create table policies (
  org_id      text        not null default 'default',
  environment text        not null default 'dev',
  policy_id   text        not null,
  version     text        not null,
  policy      jsonb       not null,
  is_active   boolean     not null default false,
  created_at  timestamptz not null default now(),
  primary key (org_id, environment, policy_id, version)
);

create table active_policies (
  org_id       text        not null default 'default',
  environment  text        not null default 'dev',
  policy_id    text        not null,
  version      text        not null,
  activated_at timestamptz not null default now(),
  primary key (org_id, environment)
);

-- last_used_at changes with a key's use, with each one where no guard is: half of each page stays free for the new row
-- versions, no index has the column, and vacuum comes after a few hundred of them instead of a fifth of the table.
create table api_keys (
  id           uuid        primary key,
  name         text        not null,
  role         text        not null constraint known_role check (role in ('ingest', 'executor', 'admin')),
  key_hash     text        not null unique,
  created_at   timestamptz not null default now(),
  revoked_at   timestamptz,
  last_used_at timestamptz,
  key_prefix   text,
  principal_id text
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000
);

comment on column api_keys.key_prefix is 'The start and end of the key, to recognise it by. Never the key.';
comment on column api_keys.principal_id is 'When set, envelopes sent with this key must name this principal.';

-- The kill switches. The control plane only ever reads and updates the one row.
create table controls (
  id                int         primary key default 1 constraint one_row check (id = 1),
  disable_execution boolean     not null default false,
  disable_http      boolean     not null default false,
  disable_github    boolean     not null default false,
  disable_stripe    boolean     not null default false,
  updated_at        timestamptz not null default now()
);

insert into controls default values;

create table approval_responses (
  id             uuid        primary key,
  receipt_id     uuid        not null,
  responder_type text,
  responder_id   text        not null constraint responder_id_length check (octet_length(responder_id) <= 1024),
  responder_name text,
  decision       text        not null constraint known_decision check (decision in ('approve', 'reject')),
  comment        text,
  created_at     timestamptz not null default now(),
  -- Also the index for a receipt's responses.
  unique (receipt_id, responder_id)
);

create table sentinel_alerts (
  id              uuid        primary key default gen_random_uuid(),
  rule_id         text        not null,
  rule_name       text        not null,
  severity        text        not null,
  status          text        not null default 'active',
  metric          text        not null,
  current_value   real        not null,
  threshold       real        not null,
  agent_id        text,
  message         text        not null,
  triggered_at    timestamptz not null default now(),
  acknowledged_at timestamptz,
  resolved_at     timestamptz
);

-- The list of alerts, newest first.
create index on sentinel_alerts (triggered_at);

create table budgets (
  id            uuid        primary key default gen_random_uuid(),
  principal_id  text        not null constraint principal_id_length check (octet_length(principal_id) <= 1024),
  budget_amount real        not null,
  spent_amount  real        not null default 0,
  currency      text        not null default 'USD',
  period        text        not null,
  scope         text        not null default 'principal',
  scope_key     text,
  reset_at      timestamptz not null,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  unique (principal_id, period, scope)
) with (fillfactor = 70);
