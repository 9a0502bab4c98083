-- The login roles. Passwords are set by ops/migrate, never here. Privileges follow in 008, once there is something to
-- grant; what a role may be, and its settings, are in 019, by which every run compares and repairs them. Each has a
-- second login, <role>_b, its member: two generations of passwords work side by side (ops/roles.ts).

do $$
declare
  wanted text;
begin
  foreach wanted in array array[
    'authensor_app', 'authensor_telemetry', 'authensor_monitor', 'authensor_auditor', 'authensor_verifier',
    'authensor_archiver', 'authensor_maintenance',
    'authensor_app_b', 'authensor_telemetry_b', 'authensor_monitor_b', 'authensor_auditor_b', 'authensor_verifier_b',
    'authensor_archiver_b', 'authensor_maintenance_b'
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
end
$$;

-- A function is for those it is granted to. (Built-in default: for everyone.)
alter default privileges revoke execute on functions from public;
