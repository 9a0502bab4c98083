-- How the last drill went (ops/drill): what the monitor tells, and its alarms. What was restored, and how it was
-- verified, is in the drill's report in the bucket.

create table audit.drill (
  only_row     boolean     primary key default true check (only_row),
  -- From when on one is awaited; null: this deployment has no drills.
  since        timestamptz default now(),
  -- The last run, and when it last said that it goes on: that keeps others off. No session would, since a failover ends
  -- all of them and the run none the less goes on.
  run          uuid,
  began_at     timestamptz,
  seen_at      timestamptz,
  -- When one came to an end; before began_at: the last one goes on, or was killed.
  finished_at  timestamptz,
  succeeded_at timestamptz,
  -- Of the last one that got so far: until the restored server took a receipt, and by how much its newest write was
  -- older than the restore.
  rto_seconds  bigint,
  rpo_seconds  bigint,
  -- What the last one found wrong, one failure at least where it did not succeed; null until it has ended.
  problems     bigint,
  -- In one line, as it was printed.
  summary      text
);

insert into audit.drill default values;

grant select on audit.drill to authensor_monitor, authensor_auditor;

-- Begins a run, and returns what it is known by; null while another goes on. One that says nothing for 10 minutes was
-- killed.
create function audit.begin_drill() returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  begun uuid;
begin
  update audit.drill d
     set run      = gen_random_uuid(),
         began_at = clock_timestamp(),
         seen_at  = clock_timestamp(),
         problems = null,
         summary  = null
   where (began_at > coalesce(finished_at, '-infinity') and seen_at > clock_timestamp() - interval '10 minutes')
         is not true
  returning d.run into begun;
  return begun;
end
$$;

grant execute on function audit.begin_drill() to authensor_verifier;

-- To be said every minute. False: another has begun since, and what it works with is its own.
create function audit.drill_goes_on(run uuid) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update audit.drill d set seen_at = clock_timestamp() where d.run = drill_goes_on.run;
  return found;
end
$$;

grant execute on function audit.drill_goes_on(uuid) to authensor_verifier;

-- By the drill alone, in a transaction that says `read write`: alarms believe this row. A time that it did not come to
-- measure stays as it was (null). What no drill can end with is refused, since the monitor reads it as it is.
create function audit.report_drill(run uuid, rto_seconds bigint, rpo_seconds bigint, problems bigint, summary text)
  returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if least(rto_seconds, rpo_seconds, problems) < 0 or num_nulls(problems, summary) > 0
     or problems = 0 and num_nulls(rto_seconds, rpo_seconds) > 0 then
    raise 'no drill ends with % problems, an RTO of % s, an RPO of % s and the summary %',
      coalesce(problems::text, 'no number of'), coalesce(rto_seconds::text, 'no'), coalesce(rpo_seconds::text, 'no'),
      quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more; without a problem all are there.';
  end if;
  update audit.drill d
     set finished_at  = clock_timestamp(),
         succeeded_at = case when report_drill.problems = 0 then clock_timestamp() else d.succeeded_at end,
         rto_seconds  = coalesce(report_drill.rto_seconds, d.rto_seconds),
         rpo_seconds  = coalesce(report_drill.rpo_seconds, d.rpo_seconds),
         problems     = report_drill.problems,
         summary      = left(report_drill.summary, 1000)
   -- One that was taken for killed says nothing for the one that came after it.
   where d.run = report_drill.run;
  if not found then
    raise 'no drill % is known, or another one has begun since', quote_nullable(run)
      using errcode = 'object_not_in_prerequisite_state';
  end if;
end
$$;

grant execute on function audit.report_drill(uuid, bigint, bigint, bigint, text) to authensor_verifier;
