-- How the last verifications ended: what the monitor tells, and its alarms. Not evidence: whoever may change the trail
-- may change this too, and a verification's own log says more.

create table audit.verifications (
  scope       text        primary key check (scope in ('recent', 'whole', 'archived')),
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

insert into audit.verifications (scope) values ('recent'), ('whole'), ('archived');

grant select on audit.verifications to authensor_monitor, authensor_auditor;

-- The verifier's only way to change anything, in a transaction that says `read write`. Alarms believe this row, so no
-- auditor may write it; and what no verification can end with is refused, since the monitor reads it as it is.
create function audit.report_verification(scope text, receipts bigint, findings bigint, unverified bigint, summary text)
  returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (least(receipts, findings, unverified) >= 0 and num_nulls(receipts, findings, unverified, summary) = 0) is not true
  then
    raise 'no verification ends with % receipts, % findings, % unverified and the summary %',
      coalesce(receipts::text, 'no number of'), coalesce(findings::text, 'no number of'),
      coalesce(unverified::text, 'no number of'), quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more.';
  end if;
  update audit.verifications v
     set finished_at = clock_timestamp(),
         receipts    = report_verification.receipts,
         findings    = report_verification.findings,
         unverified  = report_verification.unverified,
         summary     = left(report_verification.summary, 1000)
   where v.scope = report_verification.scope;
  if not found then
    raise 'nothing awaits a verification of "%"', scope using errcode = 'invalid_parameter_value',
      hint = 'Known are the scopes of audit.verifications.';
  end if;
end
$$;

grant execute on function audit.report_verification(text, bigint, bigint, bigint, text) to authensor_verifier;
