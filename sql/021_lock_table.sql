-- The server's lock table is everyone's. Whoever fills it, with pg_advisory_lock in a loop for example, stops every
-- receipt with 53200 ("out of shared memory") until its session ends, and nobody but PostgreSQL's superuser, whom RDS
-- gives to nobody, can take that function from a role. So the monitor looks every two seconds, and ends who fills it.

-- How full it is: the objects that are locked, and who holds or awaits each, for which there is room twice. Locks that
-- a session keeps by itself (fastpath) take no room in it.
create function audit.lock_table_percent() returns float8
  language sql volatile
  set search_path = pg_catalog, pg_temp
begin atomic
  with lock as (
    select locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid,
           count(*) as holders
      from pg_locks where not fastpath group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  )
  select 100 * greatest(count(*), coalesce(sum(holders), 0) / 2)
         / (current_setting('max_locks_per_transaction')::int
            * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int))
    from lock;
end;

-- Of a role, but for the caller's own.
create function audit.end_sessions(role oid) returns void
  language sql
  set search_path = pg_catalog, pg_temp
begin atomic
  -- Who has come in since this transaction looked first is seen as well.
  select pg_stat_clear_snapshot();
  select pg_terminate_backend(a.pid)
    from pg_stat_get_activity(null) a where a.usesysid = role and a.pid <> pg_backend_pid();
end;

-- Above three quarters the session with most locks of the role with most is ended, until there is room again: but none
-- that keeps to its share, max_locks_per_transaction. If all kept to it there would be room for all, and the control
-- plane's look-ups do (components/parameters/lockTable.ts). The role first: locks that are divided among many sessions
-- would make an honest session of another role the one with most. The role is locked out, or it would be back at once:
-- until the next deployment or daily run sets its connection limit again (019). The control plane's is not: who has its
-- password stops the receipts anyhow. Nor are the owner, whose migrations lock every partition, and PostgreSQL's
-- superuser.
--
-- Once the table is full nobody can log in, for that locks pg_authid and pg_database, as every look at a table that all
-- databases share does. So a session that is there already calls this, each second, and does all that it can each time,
-- so that every plan and every row it needs is cached when it counts. Returns how full the table was, and who was
-- ended.
create function audit.relieve_lock_table(out used_percent float8, out ended text[])
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  me       oid := current_user::regrole;
  holder   record;
  stuck    int[] := '{}';
  now_used float8;
begin
  perform pg_get_userbyid(role), (select count(*) from pg_stat_get_activity(null))
     from unnest('{authensor_app, authensor_telemetry, authensor_monitor, authensor_auditor, authensor_verifier,
                   authensor_archiver, authensor_maintenance,
                   authensor_app_b, authensor_telemetry_b, authensor_monitor_b, authensor_auditor_b,
                   authensor_verifier_b, authensor_archiver_b, authensor_maintenance_b}'
                 ::regrole[]) role;
  ended := '{}';
  loop
    perform pg_stat_clear_snapshot();
    select a.pid, a.usesysid as role, host(a.client_addr) as client,
           -- In however many modes it holds a table.
           count(*) filter (where l.relation is null) + count(distinct l.relation) as locks into holder
      from pg_locks l join pg_stat_get_activity(null) a on a.pid = l.pid
     where not l.fastpath and a.pid <> pg_backend_pid() and a.usesysid not in (me, 10)
     group by 1, 2, 3
    having count(*) filter (where l.relation is null) + count(distinct l.relation)
           > current_setting('max_locks_per_transaction')::int
     order by sum(count(*)) over (partition by a.usesysid) desc, a.pid = any (stuck), locks desc limit 1;
    now_used := audit.lock_table_percent();
    used_percent := greatest(used_percent, now_used);
    exit when holder.pid is null or holder.pid = any (stuck) or now_used <= 75 or cardinality(ended) = 50
           or clock_timestamp() > statement_timestamp() + interval '5 s';
    -- PostgreSQL ends a session where its work lets it: an expression of thousands of long multiplications lets it
    -- nowhere.
    if not pg_terminate_backend(holder.pid, 1000) and exists (select from pg_locks l where l.pid = holder.pid) then
      stuck := stuck || holder.pid;
    end if;
    ended := ended || format('%s from %s held %s locks%s', pg_get_userbyid(holder.role),
                             coalesce(holder.client, 'the server itself'), holder.locks,
                             case when holder.pid = any (stuck)
                               then format(', process %s, and goes on', holder.pid) end);
    if holder.role not in ('authensor_app'::regrole, 'authensor_app_b'::regrole) then
      begin
        perform audit.end_sessions(holder.role);
        execute format('alter role %I connection limit 0', pg_get_userbyid(holder.role));
        -- Who came in meanwhile.
        perform audit.end_sessions(holder.role);
      exception when out_of_memory or insufficient_privilege then
        -- Another session has filled the table again: that one is next.
        null;
      end;
    end if;
  end loop;
end
$$;

grant execute on function audit.relieve_lock_table() to authensor_monitor;
