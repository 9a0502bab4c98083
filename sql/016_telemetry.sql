-- What agents and services report of themselves: latencies, token counts, heartbeats. Worth keeping, not worth waiting
-- for: the role that writes it has synchronous_commit = off (001), so a crash may lose its last moments, and nothing of
-- the audit trail.

create table telemetry_events (
  id          bigint      generated always as identity,
  created_at  timestamptz not null default now(),       -- when it came in, by this server's clock
  occurred_at timestamptz not null default now(),       -- when it happened, by the sender's
  source      text        not null,                     -- the service that reports
  name        text        not null,                     -- what is reported: agent.latency, model.tokens
  agent_id    text,
  receipt_id  uuid,
  value       double precision,
  attributes  jsonb       not null default '{}',
  primary key (id, created_at),
  constraint name_short        check (octet_length(name) <= 256 and octet_length(source) <= 256),
  constraint occurred_finite   check (isfinite(occurred_at)),
  -- A flood of large events would take the disk that receipts need.
  constraint attributes_small  check (jsonb_typeof(attributes) = 'object' and pg_column_size(attributes) <= 65536)
) partition by range (created_at);

-- One series over time; all of it over time, for nearly nothing, as rows are kept in the order they came.
create index on telemetry_events (name, created_at);
create index on telemetry_events using brin (created_at);

select audit.partition_by_month('telemetry_events');

-- It adds events, with a time of arrival that is not its own to choose, and reads nothing.
grant insert (occurred_at, source, name, agent_id, receipt_id, value, attributes) on telemetry_events
  to authensor_telemetry;
grant select on telemetry_events to authensor_auditor, authensor_monitor;
