-- How the last run of ops/archive ended: what the monitor tells, and its alarms. What is in the bucket is said by its
-- manifests alone.

create table audit.archive (
  only_row       boolean     primary key default true check (only_row),
  -- All that was sealed before is in the bucket; at first: from when on it is awaited.
  archived_until timestamptz not null default now(),
  -- The number of the newest manifest.
  manifest       bigint      not null default 0,
  -- What the last run found wrong in the database or in the bucket, and flaws of archived rows that nobody has looked
  -- into.
  problems       bigint      not null default 0,
  finished_at    timestamptz,
  -- In one line, as it was printed.
  summary        text
);

insert into audit.archive default values;

grant select on audit.archive to authensor_monitor, authensor_auditor;

-- By the archiver alone, in a transaction that says `read write`: alarms believe this row. A run that failed leaves
-- archived_until as it was (null). What no run can end with is refused, since the monitor, the archiver's next run and
-- verify --archived read it as it is.
create function audit.report_archive(
  archived_until timestamptz, manifest bigint, problems bigint, summary text
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not isfinite(archived_until) or archived_until > clock_timestamp() + audit.max_earliness() then
    raise 'nothing is archived until %: it is now %', archived_until, clock_timestamp()
      using errcode = 'invalid_parameter_value', hint = 'Is the clock of the server that was read right?';
  elsif least(manifest, problems) < 0 or summary is null then
    raise 'no run of the archiver ends with the manifest %, % problems and the summary %',
      coalesce(manifest::text, 'of before'), coalesce(problems::text, 'as many'), quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more.';
  end if;
  update audit.archive a
     -- Not by coalesce around least, which passes over nulls: a run that failed would count as one that did all.
     set archived_until = least(coalesce(report_archive.archived_until, a.archived_until), clock_timestamp()),
         -- Manifests are only ever added, and two runs at once may end in either order.
         manifest       = greatest(report_archive.manifest, a.manifest),
         problems       = coalesce(report_archive.problems, a.problems),
         finished_at    = clock_timestamp(),
         summary        = left(report_archive.summary, 1000);
end
$$;

grant execute on function audit.report_archive(timestamptz, bigint, bigint, text) to authensor_archiver;
