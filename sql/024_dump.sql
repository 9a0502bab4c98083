-- What is in no chain goes into the locked bucket as a dump (ops/dump): policies, keys, budgets, controls, approvals.

-- How the last look at it ended: what the monitor tells, and its alarm. What is in the bucket is said by its manifests.
create table audit.dumps (
  only_row     boolean     primary key default true check (only_row),
  -- All that was there by then is in the bucket; at first: from when on it is awaited.
  dumped_until timestamptz not null default now(),
  -- The number of the newest dump.
  number       bigint      not null default 0
);

insert into audit.dumps default values;

grant select on audit.dumps to authensor_monitor, authensor_auditor;

-- As audit.report_archive (022).
create function audit.report_dump(dumped_until timestamptz, number bigint) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (isfinite(dumped_until) and dumped_until <= clock_timestamp() + audit.max_earliness() and number > 0) is not true
  then
    raise 'no dump % shows the state of %: it is now %', number, dumped_until, clock_timestamp()
      using errcode = 'invalid_parameter_value', hint = 'Is the clock of the server that was read right?';
  end if;
  update audit.dumps d
     set dumped_until = least(report_dump.dumped_until, clock_timestamp()),
         number       = greatest(report_dump.number, d.number);
end
$$;

grant execute on function audit.report_dump(timestamptz, bigint) to authensor_archiver;

-- The archiver reads what the auditor reads (019), and beyond it what a restored server cannot be without: the hashes
-- of the keys by which clients are known. A migration that adds a table or a sequence grants select on it to the
-- archiver: without it no dump is made.
grant select on api_keys to authensor_archiver;
grant select on all sequences in schema public, audit to authensor_archiver;
