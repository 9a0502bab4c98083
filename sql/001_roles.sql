-- The login roles and their settings in this database. Passwords are set by ops/migrate, never here.
-- Privileges follow in 009, once there is something to grant.

do $$
declare
  wanted text;
begin
  foreach wanted in array array[
    'authensor_app', 'authensor_telemetry', 'authensor_monitor', 'authensor_auditor', 'authensor_maintenance'
  ] loop
    -- Roles belong to the server, not to the database: a restored or a second database finds them there.
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I login', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;

  -- As many as components/connectionBudget.ts keeps for it: a job gone wild takes no other's connections.
  alter role authensor_maintenance connection limit 3;

  if not pg_has_role('authensor_monitor', 'pg_monitor', 'member') then
    begin
      grant pg_monitor to authensor_monitor;
    exception when unique_violation then
      null;
    end;
  end if;
end
$$;

-- Settings of a role in a database also hold through the pooler, whose server connections log in as the role.
do $$
declare
  setting record;
begin
  -- What this project adds lives in schema audit; the control plane names no schema.
  execute format('alter database %I set search_path = public, audit', current_database());

  for setting in
    select * from (values
      -- An acknowledged receipt is on disk.
      ('authensor_app',       'synchronous_commit',                  'on'),
      -- A transaction that a client has forgotten keeps its agents' chains locked.
      ('authensor_app',       'idle_in_transaction_session_timeout', '30s'),
      ('authensor_app',       'statement_timeout',                   '30s'),
      ('authensor_app',       'lock_timeout',                        '10s'),
      -- Telemetry may lose its last moments in a crash, and need not wait for the disk.
      ('authensor_telemetry', 'synchronous_commit',                  'off'),
      ('authensor_telemetry', 'idle_in_transaction_session_timeout', '30s'),
      ('authensor_telemetry', 'statement_timeout',                   '10s'),
      ('authensor_monitor',   'statement_timeout',                   '10s'),
      ('authensor_monitor',   'idle_in_transaction_session_timeout', '30s'),
      -- Reads only, and for as long as an audit's question may take, but never holding back vacuum for a night.
      ('authensor_auditor',   'default_transaction_read_only',       'on'),
      ('authensor_auditor',   'statement_timeout',                   '15min'),
      ('authensor_auditor',   'idle_in_transaction_session_timeout', '5min'),
      -- No statement of its jobs outlives the job (components/scheduledPrograms.ts), or keeps a lock for nothing.
      ('authensor_maintenance', 'statement_timeout',                   '15min'),
      ('authensor_maintenance', 'lock_timeout',                        '1s'),
      ('authensor_maintenance', 'idle_in_transaction_session_timeout', '30s')
    ) as s (role, name, value)
  loop
    execute format('alter role %I in database %I set %I = %L',
      setting.role, current_database(), setting.name, setting.value);
  end loop;
end
$$;

-- A function is for those it is granted to. (Built-in default: for everyone.)
alter default privileges revoke execute on functions from public;
