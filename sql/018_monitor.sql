-- What the monitor may see and write beyond pg_monitor. It reads no row of the trail: it gets counts, from functions.

-- One row, written every second on the primary: how far behind a replica is follows from the time that it shows
-- there. The replica's own answer, now() - pg_last_xact_replay_timestamp(), grows while nothing is written. Outside the
-- chains.
create table audit.heartbeat (
  only_row boolean     primary key default true check (only_row),
  at       timestamptz not null default clock_timestamp()
  -- A new version each second: on the same page, whose old versions the next update prunes.
) with (fillfactor = 10);

insert into audit.heartbeat default values;

-- The server's clock, whatever the client says: a heartbeat ahead of its time would hide that none comes any more.
create function audit.stamp_heartbeat() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.at := clock_timestamp();
  return new;
end
$$;

create trigger stamp_heartbeat before update on audit.heartbeat
  for each row execute function audit.stamp_heartbeat();

grant select, update (at) on audit.heartbeat to authensor_monitor;
-- What moment a restored database shows.
grant select on audit.heartbeat to authensor_auditor;

-- The last run of each program on schedule, as the program itself tells it at its end.
create table audit.program_runs (
  program      text        primary key,
  finished_at  timestamptz not null,
  succeeded_at timestamptz,
  -- What it says of itself, in one line.
  summary      text        not null
);

grant select on audit.program_runs to authensor_monitor, authensor_auditor;

-- Who may tell of which: each role, by either of its logins, of the programs that run as it.
create table audit.programs (
  program text        primary key,
  role    name        not null,
  -- From when on its runs are awaited; null: this deployment does not have it.
  since   timestamptz default now()
);

grant select on audit.programs to authensor_monitor, authensor_auditor;

insert into audit.programs values
  ('partitions',      'authensor_maintenance'),
  ('verify-recent',   'authensor_verifier'),
  ('verify-whole',    'authensor_verifier'),
  ('verify-archived', 'authensor_verifier');

create function audit.report_run(program text, succeeded boolean, summary text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- The owner runs any of them by hand.
  if not exists (select from audit.programs p
                  where p.program = report_run.program and session_user in (p.role, p.role || '_b', current_user)) then
    raise '% does not report runs of "%"', session_user, program using errcode = 'insufficient_privilege',
      hint = 'A new program has a row in audit.programs, with the role that it runs as (sql/018_monitor.sql).';
  end if;
  insert into audit.program_runs as r
  values (report_run.program, now(), case when succeeded then now() end, left(report_run.summary, 1000))
  on conflict on constraint program_runs_pkey do update
     set finished_at = excluded.finished_at,
         succeeded_at = coalesce(excluded.succeeded_at, r.succeeded_at),
         summary = excluded.summary;
end
$$;

grant execute on function audit.report_run(text, boolean, text) to authensor_maintenance, authensor_verifier;

-- Rows that are in no month, 10,001 of a partition at most: receipts that are dated back or ahead, or months that are
-- missing.
create function audit.rows_outside_months()
  returns table (parent regclass, kind text, outside bigint)
  language plpgsql
  stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  open_ended record;
begin
  for open_ended in
    select p.parent, p.partition, p.kind
      from audit.list_partitions() p join pg_class c on c.oid = p.partition
     where p.kind in ('past', 'future') and pg_has_role(c.relowner, 'usage')
  loop
    parent := open_ended.parent;
    kind := open_ended.kind;
    execute format('select count(*) from (select from %s limit 10001) t', open_ended.partition) into outside;
    return next;
  end loop;
end
$$;

grant execute on function audit.rows_outside_months() to authensor_monitor;

-- Receipts made in a span of time, by outcome.
create function audit.count_receipts(since timestamptz, until timestamptz)
  returns table (outcome text, receipts bigint)
  language sql
  stable security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  select r.decision_outcome, count(*)
    from public.receipts r
   where r.created_at >= count_receipts.since and r.created_at < count_receipts.until
   group by 1;
end;

grant execute on function audit.count_receipts(timestamptz, timestamptz) to authensor_monitor;

do $$
begin
  -- RDS lets its master user make it. Without it the monitor's source "statements" fails, and says so.
  create extension if not exists pg_stat_statements;
  -- The owner's default privileges take functions from the public, an extension's too.
  if pg_has_role((select proowner from pg_proc where proname = 'pg_stat_statements' limit 1), 'usage') then
    grant execute on function pg_stat_statements(boolean) to authensor_monitor;
  end if;
exception when insufficient_privilege or undefined_file then
  raise warning 'pg_stat_statements was not created: query latency is not measured';
end
$$;
