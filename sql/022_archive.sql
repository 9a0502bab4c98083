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

-- By the archiver, which logs in as the auditor, in a transaction that says `read write`. A run that failed leaves
-- archived_until as it was (null).
create function audit.report_archive(
  archived_until timestamptz, manifest bigint, problems bigint, summary text
) returns void
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  update audit.archive a
     -- Not by coalesce around least, which passes over nulls: a run that failed would count as one that did all.
     set archived_until = least(coalesce(report_archive.archived_until, a.archived_until), clock_timestamp()),
         manifest       = coalesce(report_archive.manifest, a.manifest),
         problems       = coalesce(report_archive.problems, a.problems),
         finished_at    = clock_timestamp(),
         summary        = left(report_archive.summary, 1000);
end;

grant execute on function audit.report_archive(timestamptz, bigint, bigint, text) to authensor_auditor;
