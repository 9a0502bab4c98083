-- What the login roles and this database may be is compared with what they should be, and repaired, again and again: by
-- every deployment, and daily by authensor_maintenance. A role can change its own settings, and a dump carries neither
-- the database's settings nor its privileges.

-- Connections each role may have: what the deployment's pools need (connectionBudget.ts), as ops/migrate was told.
create table audit.connection_limits (
  role        name primary key,
  connections int  not null check (connections > 0)
);

-- As many as connectionBudget.ts keeps for it: a job gone wild takes no other's connections.
insert into audit.connection_limits values ('authensor_maintenance', 3);

-- Limits belong to the server: one that has the roles for another database keeps those that it has.
insert into audit.connection_limits
select rolname, rolconnlimit
  from pg_roles
 where rolconnlimit > 0
   and rolname in ('authensor_app', 'authensor_telemetry', 'authensor_monitor', 'authensor_auditor',
                   'authensor_verifier', 'authensor_archiver', 'authensor_maintenance')
    on conflict (role) do update set connections = excluded.connections;

grant select on audit.connection_limits to authensor_auditor;

-- Settings in this database; role '' is everyone. They also hold through the pooler, whose server connections log in as
-- the role.
create function audit.wanted_settings() returns table (role name, name text, value text)
  language sql stable
  set search_path = pg_catalog, pg_temp
begin atomic
  select l.login::name, s.name, s.value
    from (values
      -- What this project adds lives in schema audit; the control plane names no schema.
      ('',                      'search_path',                         'public, audit'),
      -- An acknowledged receipt is on disk.
      ('authensor_app',         'synchronous_commit',                  'on'),
      -- A transaction that a client has forgotten keeps its agents' chains locked.
      ('authensor_app',         'idle_in_transaction_session_timeout', '10s'),
      ('authensor_app',         'statement_timeout',                   '30s'),
      -- Who waits for an agent's chain longer than this is told so, and gives its pooled connection back: a chain that
      -- is held keeps no other agent waiting for long. Longer than one attempt of a migration or the partitions job.
      ('authensor_app',         'lock_timeout',                        '2s'),
      ('authensor_app',         'transaction_timeout',                 '60s'),
      -- Telemetry may lose its last moments in a crash, and need not wait for the disk.
      ('authensor_telemetry',   'synchronous_commit',                  'off'),
      ('authensor_telemetry',   'idle_in_transaction_session_timeout', '10s'),
      ('authensor_telemetry',   'statement_timeout',                   '10s'),
      ('authensor_telemetry',   'lock_timeout',                        '2s'),
      ('authensor_telemetry',   'transaction_timeout',                 '60s'),
      ('authensor_monitor',     'statement_timeout',                   '10s'),
      ('authensor_monitor',     'idle_in_transaction_session_timeout', '30s'),
      ('authensor_monitor',     'transaction_timeout',                 '60s'),
      -- Reads only, and for as long as an audit's question may take, but never holding back vacuum for a night.
      ('authensor_auditor',     'default_transaction_read_only',       'on'),
      ('authensor_auditor',     'statement_timeout',                   '15min'),
      ('authensor_auditor',     'idle_in_transaction_session_timeout', '5min'),
      -- Settings do not come with membership.
      ('authensor_verifier',    'default_transaction_read_only',       'on'),
      ('authensor_verifier',    'statement_timeout',                   '15min'),
      ('authensor_verifier',    'idle_in_transaction_session_timeout', '5min'),
      ('authensor_archiver',    'default_transaction_read_only',       'on'),
      ('authensor_archiver',    'statement_timeout',                   '15min'),
      ('authensor_archiver',    'idle_in_transaction_session_timeout', '5min'),
      -- No statement of its jobs outlives the job (scheduledPrograms.ts), or keeps a lock for nothing.
      ('authensor_maintenance', 'statement_timeout',                   '15min'),
      ('authensor_maintenance', 'lock_timeout',                        '1s'),
      ('authensor_maintenance', 'idle_in_transaction_session_timeout', '30s')
    ) as s (role, name, value)
   cross join lateral (select s.role as login union all select s.role || '_b' where s.role <> '') l
   -- Known to PostgreSQL 17 and later.
   where s.name <> 'transaction_timeout' or current_setting('server_version_num')::int >= 170000;
end;

-- Everything that differs, and the statement that repairs it; null where none can.
create function audit.role_differences() returns table (what text, expected text, actual text, repair text)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  with here as (
    select d.oid, d.datname, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) as acl
      from pg_database d where d.datname = current_database()
  ), wanted (name, of_role, groups) as (
    select l.login::name, r.name, l.groups
      from (values ('authensor_app', '{}'::text[]), ('authensor_telemetry', '{}'), ('authensor_auditor', '{}'),
                   ('authensor_verifier', '{authensor_auditor}'), ('authensor_archiver', '{authensor_auditor}'),
                   ('authensor_monitor', '{pg_monitor}'), ('authensor_maintenance', '{}')) r (name, groups)
     cross join lateral (values (r.name, r.groups), (r.name || '_b', array[r.name])) l (login, groups)
  ), role as (
    select w.name, w.groups, r.*, coalesce(l.connections, -1) as connections
      from wanted w
      left join pg_roles r on r.rolname = w.name
      left join audit.connection_limits l on l.role = w.of_role
  ), attribute as (
    select r.name, a.name as attribute, a.expected, a.actual, a.repair
      from role r
     cross join lateral (values
       ('superuser',   false, r.rolsuper,       'nosuperuser'),
       ('createrole',  false, r.rolcreaterole,  'nocreaterole'),
       ('createdb',    false, r.rolcreatedb,    'nocreatedb'),
       ('replication', false, r.rolreplication, 'noreplication'),
       ('bypassrls',   false, r.rolbypassrls,   'nobypassrls'),
       ('login',       true,  r.rolcanlogin,    'login'),
       ('inherit',     true,  r.rolinherit,     'inherit'),
       ('expiry',      false, isfinite(coalesce(r.rolvaliduntil, 'infinity')), 'valid until ''infinity''')
     ) a (name, expected, actual, repair)
     where r.oid is not null and a.expected <> a.actual
  ), membership as (
    -- Columns that PostgreSQL 16 brought are read by name.
    select m.roleid, m.member, m.admin_option, g.rolname as of_role, u.rolname as of_member, o.rolname as grantor,
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) as inherits
      from pg_auth_members m
      join pg_roles g on g.oid = m.roleid
      join pg_roles u on u.oid = m.member
      left join pg_roles o on o.oid = m.grantor
  ), setting as (
    select s.setrole, s.setdatabase, split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
      from pg_db_role_setting s cross join unnest(s.setconfig) c
  ), schema_right as (
    select n.nspname, n.nspowner, a.grantee, a.privilege_type, a.is_grantable
      from pg_namespace n cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
     where n.nspname in ('public', 'audit')
  ), difference (place, what, expected, actual, repair) as (
    select 1, 'role ' || r.name, 'exists', 'missing', null::text from role r where r.oid is null

    union all
    select 2, format('%s of %s', a.attribute, a.name), case when a.expected then 'yes' else 'no' end,
           case when a.actual then 'yes' else 'no' end, format('alter role %I %s', a.name, a.repair)
      from attribute a

    union all
    select 3, 'connection limit of ' || r.name, case r.connections when -1 then 'none' else r.connections::text end,
           case r.rolconnlimit when -1 then 'none' else r.rolconnlimit::text end,
           format('alter role %I connection limit %s', r.name, r.connections)
      from role r where r.rolconnlimit <> r.connections

    union all
    select 4, format('%s is a member of %s', m.of_member, m.of_role),
           case when m.of_role = any (r.groups) then 'without admin option, inheriting' else 'no' end,
           case when m.admin_option then 'with admin option' when m.inherits then 'yes' else 'without inheriting' end,
           format('revoke %I from %I', m.of_role, m.of_member)
             || case when current_setting('server_version_num')::int >= 160000 then format(' granted by %I', m.grantor)
                     else '' end
      from membership m join role r on r.oid = m.member
     where m.of_role <> all (r.groups) or m.admin_option or not m.inherits

    union all
    -- After the revocations: what was granted in another way is granted anew.
    select 5, format('%s is a member of %s', r.name, g), 'yes', 'no', format('grant %I to %I', g, r.name)
      from role r cross join unnest(r.groups) g
     where r.oid is not null
       and not exists (select from membership m where m.member = r.oid and m.of_role = g
                          and not m.admin_option and m.inherits)

    union all
    -- Who may act as one of them: its second login, who reads as the auditor does, and the owner, who made them, from
    -- PostgreSQL 16 on.
    select 6, format('%s is a member of %s', m.of_member, m.of_role), 'no', 'yes',
           format('revoke %I from %I', m.of_role, m.of_member)
             || case when current_setting('server_version_num')::int >= 160000 then format(' granted by %I', m.grantor)
                     else '' end
      from membership m join role r on r.oid = m.roleid cross join here h
     where m.member <> h.datdba and m.of_member not in (r.name || '_b', 'rdsadmin', 'rds_superuser')
       and not exists (select from wanted w where w.name = m.of_member and r.name = any (w.groups))

    union all
    select 7, format('%s of %s', coalesce(w.name, s.name),
                     coalesce(nullif(coalesce(w.role, s.role), ''), 'the database')),
           coalesce(w.value, 'not set'), coalesce(s.value, 'not set'),
           format('alter %s %s %s',
             case when coalesce(w.role, s.role, '') = '' then format('database %I', current_database())
                  else format('role %I in database %I', coalesce(w.role, s.role), current_database()) end,
             case when w.name is null then 'reset' else 'set' end,
             case when w.name is null then quote_ident(s.name)
                  -- A list: quoted as a whole it would be one name.
                  when w.name = 'search_path' then format('%I = %s', w.name, w.value)
                  else format('%I = %L', w.name, w.value) end)
      from audit.wanted_settings() w
      full join (select coalesce(r.name, '') as role, x.name, x.value
                   from setting x left join role r on r.oid = x.setrole
                  where x.setdatabase = (select oid from here) and (x.setrole = 0 or r.oid is not null)) s
        on s.role = w.role and s.name = w.name
     where w.value is distinct from s.value

    union all
    select 8, format('%s of %s in every database', s.name, r.name), 'not set', s.value,
           format('alter role %I reset %I', r.name, s.name)
      from setting s join role r on r.oid = s.setrole where s.setdatabase = 0

    union all
    select 9, format('%s on the database for %s', a.privilege_type, coalesce(r.name, 'everyone')), 'no', 'yes',
           format('revoke %s on database %I from %s', a.privilege_type, h.datname,
                  coalesce(quote_ident(r.name), 'public'))
      from here h cross join aclexplode(h.acl) a left join role r on r.oid = a.grantee
     where a.grantee = 0 or r.oid is not null and (a.privilege_type <> 'CONNECT' or a.is_grantable)

    union all
    select 10, 'CONNECT on the database for ' || r.name, 'yes', 'no',
           format('grant connect on database %I to %I', h.datname, r.name)
      from here h cross join role r
     where r.oid is not null
       and not exists (select from aclexplode(h.acl) a
                        where a.grantee = r.oid and a.privilege_type = 'CONNECT' and not a.is_grantable)

    union all
    select 11, format('%s on schema %s for %s', s.privilege_type, s.nspname, coalesce(g.rolname, 'everyone')),
           'no', 'yes',
           format('revoke %s on schema %I from %s', s.privilege_type, s.nspname,
                  coalesce(quote_ident(g.rolname), 'public'))
      from schema_right s left join pg_roles g on g.oid = s.grantee cross join here h
     where s.grantee not in (s.nspowner, h.datdba)
       and (s.grantee = 0 or s.privilege_type = 'CREATE' or s.is_grantable and g.rolname in (select name from role))

    union all
    select 12, format('USAGE on schema %s for %s', n.nspname, r.name), 'yes', 'no',
           format('grant usage on schema %I to %I', n.nspname, r.name)
      from (values ('public'), ('audit')) n (nspname) cross join role r
     where r.oid is not null
       and not exists (select from schema_right s
                        where s.nspname = n.nspname and s.grantee = r.oid and s.privilege_type = 'USAGE')

    union all
    -- With rds.restrict_password_commands only its members may set a password.
    select 13, o.rolname || ' is a member of rds_password', 'yes', 'no', format('grant rds_password to %I', o.rolname)
      from here h join pg_roles o on o.oid = h.datdba join pg_roles p on p.rolname = 'rds_password'
     where not pg_has_role(h.datdba, p.oid, 'member')

    union all
    -- Nothing here needs one, each is code and privileges of its own; dropping it may drop what others made with it.
    select 14, 'extension ' || e.extname, 'not installed', 'installed', null
      from pg_extension e where e.extname not in ('plpgsql', 'pg_stat_statements', 'pgaudit')

    union all
    -- Every role can make them, and nobody but PostgreSQL's superuser can forbid it.
    select 15, 'large objects of ' || r.name, 'none', count(*)::text, null
      from pg_largeobject_metadata o join role r on r.oid = o.lomowner group by r.name
  )
  select d.what, d.expected, d.actual, d.repair from difference d order by d.place, d.what;
$$;

-- Repairs what differs, and returns what it repaired. What it may not repair stays a difference. It takes no argument
-- and does only what role_differences asks for, so that the maintenance role may call it.
create function audit.repair_roles() returns table (what text, expected text, actual text)
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  -- A membership that another grantor gave is no error, and no news.
  set client_min_messages = error
as $$
declare
  difference record;
begin
  for difference in select * from audit.role_differences() d where d.repair is not null loop
    begin
      execute difference.repair;
      what := difference.what;
      expected := difference.expected;
      actual := difference.actual;
      return next;
    exception when insufficient_privilege or invalid_grant_operation then
      null;
    end;
  end loop;
end
$$;

do $$ begin perform audit.repair_roles(); end $$;

grant execute on function audit.wanted_settings(), audit.role_differences(), audit.repair_roles()
  to authensor_maintenance;

-- The lock of migrations and the partitions job, made by ops/maintenance/lock.ts before there is anything else.
grant execute on function audit.begin_maintenance() to authensor_maintenance;

-- Who stands in the way of a change: sessions that hold a lock on the table or one of its partitions, those that have
-- held theirs longest first; of any table, where none is named. As the owner, who may see what others do.
create function audit.lock_holders(relation regclass default null)
  returns table (pid int, role name, application text, client text, since timestamptz)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  select distinct a.pid, a.usename, nullif(a.application_name, ''), host(a.client_addr), a.xact_start
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
   where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
     and l.database = (select d.oid from pg_database d where d.datname = current_database())
     and (relation is null and l.relation >= 16384
          or l.relation = relation or l.relation in (select t.relid from pg_partition_tree(relation) t))
   order by a.xact_start nulls last, a.pid
   limit 3;
end;

grant execute on function audit.lock_holders(regclass) to authensor_maintenance;
