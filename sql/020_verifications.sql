-- How the last verifications ended: what the monitor tells, and its alarms. Not evidence: whoever may change the trail
-- may change this too, and a verification's own log says more.

create table audit.verifications (
  scope       text        primary key check (scope in ('recent', 'whole')),
  -- From when on one is awaited.
  since       timestamptz not null default now(),
  -- The last one that came to an end; null before the first.
  finished_at timestamptz,
  receipts    bigint,
  -- Broken places that nobody has acknowledged.
  findings    bigint,
  -- What could not be verified: months that were archived.
  unverified  bigint,
  -- In one line, as it was printed.
  summary     text
);

insert into audit.verifications (scope) values ('recent'), ('whole');

grant select on audit.verifications to authensor_monitor, authensor_auditor;

-- The auditor's only way to change anything: by the verification, in a transaction that says `read write`.
create function audit.report_verification(scope text, receipts bigint, findings bigint, unverified bigint, summary text)
  returns void
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  update audit.verifications v
     set finished_at = clock_timestamp(),
         receipts    = report_verification.receipts,
         findings    = report_verification.findings,
         unverified  = report_verification.unverified,
         summary     = left(report_verification.summary, 1000)
   where v.scope = report_verification.scope;
end;

grant execute on function audit.report_verification(text, bigint, bigint, bigint, text) to authensor_auditor;
