/**
 * Kinds of tampering, each tried by verifyTampering.test.ts; `npm run tamperings` writes the table of docs/verification.md from them.
 * Tried on three agents with six receipts each, a, b, and c in each of its lanes 1 and 2; of each chain receipts 2 and 3 have changed since.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FindingKind } from "../../ops/verify/findings";
import { madeUpReceipt } from "../madeUp";

export interface Tampering {
  what: string;
  by: "owner" | "superuser";
  /** Without triggers, where a superuser does it. */
  sql: string;
  /** What catches it, or why nothing in the database can. */
  caught: FindingKind | { not: string };
}

const resealed = (table: string, agent: string, seq: string, values: string) => `
  update ${table} set ${values} where ${agent} = 'a' and ${seq} = (select max(${seq}) from ${table} where ${agent} = 'a');`;
const lastReceipt = `${resealed("receipts", "actor_id", "chain_seq", "tool_name = 'forged'")}
  update receipts r set chain_seal = audit.chain_seal(p.chain_seal, r.chain_seq, r.sealed_at, audit.receipt_content(r.id, r.envelope_id,
      r.parent_receipt_id, r.created_at, r.decision_outcome, r.tool_name, r.actor_id, r.envelope, r.decision), r.prev_receipt_hash)
    from receipts p where p.actor_id = 'a' and p.chain_seq = 5 and r.actor_id = 'a' and r.chain_seq = 6;
  update audit.chain_heads h set seal = r.chain_seal from receipts r where r.actor_id = 'a' and r.chain_seq = 6 and h.agent = 'a'`;
const lastChange = (
  changedAt: string,
) => `${resealed("audit.receipt_history", "agent", "seq", `changed_at = ${changedAt}`)}
  update audit.receipt_history r set seal = audit.history_seal(p.seal, r.seq, r.agent, r.receipt_id, r.receipt_created_at, r.changed_at,
      r.changed_by, r.application, r.before, r.after)
    from audit.receipt_history p where p.agent = 'a' and p.seq = r.seq - 1 and r.agent = 'a' and r.seq = (select max(seq) from audit.receipt_history where agent = 'a');
  update audit.history_heads h set seal = r.seal from audit.receipt_history r where r.agent = 'a' and r.seq = h.seq and h.agent = 'a'`;
/** One more change in the chain of an agent, of a receipt of an agent. */
const recordedChange = (agent: string, of: string, place: number, changedAt: string) => `
  with made as materialized (
    select coalesce(h.seal, '') as seal, coalesce(h.seq, 0) + 1 as seq, r.id, r.created_at, ${changedAt} as at,
           '{"rekor_entry_id": null}'::jsonb as before, '{"rekor_entry_id": "q"}'::jsonb as after
      from receipts r left join audit.history_heads h on h.agent = '${agent}' where r.actor_id = '${of}' and r.chain_seq = ${place}
  ), sealed as materialized (
    select *, audit.history_seal(seal, seq, '${agent}', id, created_at, at, 'authensor_app', '', before, after) as own_seal from made
  ), entry as (
    insert into audit.receipt_history select '${agent}', seq, id, created_at, at, 'authensor_app', '', before, after, own_seal from sealed
  ), gone as (delete from audit.history_heads where agent = '${agent}')
  insert into audit.chains values ('history_heads', '${agent}') on conflict do nothing;
  insert into audit.history_heads select agent, seq, changed_at, seal from audit.receipt_history where agent = '${agent}' order by seq desc limit 1;
  update receipts set rekor_entry_id = 'q' where actor_id = '${of}' and chain_seq = ${place}`;
/** With the month of now, as names have it, in the place of MONTH. */
const thisMonth = (sql: string) =>
  `do $do$ begin execute replace($sql$${sql}$sql$, 'MONTH', to_char(audit.month_of(now()), 'YYYY_MM')); end $do$`;
const insertDated = (age: string) =>
  `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, created_at, updated_at)
     select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'a', '{}', '{}', t, t from (select now() - interval '${age}' as t) x;`;
const imported = `set session_replication_role = origin; begin; select audit.open_import('receipts of a test');
  ${insertDated("3 months")} commit; set session_replication_role = replica;`;
const lateness = (bound: string) =>
  `create or replace function audit.max_lateness() returns interval language sql immutable parallel safe return '${bound}'::interval;`;
/** All that is there is in the search index. */
const indexed = "select audit.index_receipts(100, '0'); select audit.index_receipts(100, '0');";

const datedBack = `begin; ${lateness("60 days")} ${insertDated("40 days")} ${lateness("15 minutes")} commit;`;
const forgedImport = (values: string) =>
  `insert into audit.imports select i.*, audit.import_seal('', i.seq, i.reason, i.opened_by, i.application, i.opened_at, i.agent, i.first_seq, i.last_seq, i.sealed_at)
     from (select 1::int8 as seq, 'receipts of a test' as reason, 'x' as opened_by, '' as application, ${values}) i;`;
const archived = "select audit.archive_month(audit.month_of(now()));";
/** Of agent c: its receipts in a lane, and that lane's name. */
const inLane = (lane: number) => `actor_id = 'c' and lane = ${lane}`;
const lane = (of: string, number: number) => `e'${of}\\x1f${number}'`;
const helper = "create function public.f() returns event_trigger language plpgsql as 'begin end';";

export const tamperings: readonly Tampering[] = [
  // Evidence.
  {
    what: "a sealed column altered",
    by: "superuser",
    sql: "update receipts set decision = '{}' where actor_id = 'a' and chain_seq = 4",
    caught: "altered-column",
  },
  {
    what: "the time of sealing altered",
    by: "superuser",
    sql: "update receipts set sealed_at = sealed_at - interval '1 hour' where actor_id = 'a' and chain_seq = 4",
    caught: "altered-column",
  },
  {
    what: "a mutable column altered without a record",
    by: "superuser",
    sql: "update receipts set result = '{}' where actor_id = 'a' and chain_seq = 2",
    caught: "altered-column",
  },
  {
    what: "a receipt removed",
    by: "superuser",
    sql: "delete from receipts where actor_id = 'a' and chain_seq = 4",
    caught: "removed-row",
  },
  {
    what: "the newest receipts removed",
    by: "superuser",
    sql: "delete from receipts where actor_id = 'a' and chain_seq > 4",
    caught: "cut-off-tail",
  },
  {
    what: "receipts exchanged",
    by: "superuser",
    sql: "update receipts set chain_seq = 9 - chain_seq where actor_id = 'a' and chain_seq in (4, 5)",
    caught: "reordered",
  },
  {
    what: "a recorded change altered",
    by: "superuser",
    sql: "update audit.receipt_history set changed_by = 'x' where agent = 'a' and seq = 1",
    caught: "altered-history",
  },
  {
    what: "a recorded change removed",
    by: "superuser",
    sql: "delete from audit.receipt_history where agent = 'a' and seq = 1",
    caught: "altered-history",
  },
  {
    what: "a document of a change that is no object",
    by: "superuser",
    sql: "update audit.receipt_history set after = '5' where agent = 'a' and seq = 1",
    caught: "altered-history",
  },
  {
    what: "the last change said to be of last year, with right seals",
    by: "superuser",
    sql: lastChange("changed_at - interval '1 year'"),
    caught: "disordered",
  },
  {
    what: "the last change said to be of next year, with right seals",
    by: "superuser",
    sql: lastChange("changed_at + interval '1 year'"),
    caught: "disordered",
  },
  {
    what: "a receipt's first change said to be of last year, long before the receipt, with right seals",
    by: "superuser",
    sql: `${madeUpReceipt("z", "now()")} ${recordedChange("z", "z", 1, "now() - interval '1 year'")}`,
    caught: "disordered",
  },
  {
    what: "a change recorded in the chain of another agent, with right seals",
    by: "superuser",
    sql: recordedChange("a", "b", 5, "now()"),
    caught: "altered-history",
  },
  {
    what: "a receipt sealed at no time",
    by: "superuser",
    sql: "update receipts set sealed_at = 'infinity' where actor_id = 'a' and chain_seq = 4",
    caught: "altered-column",
  },
  {
    what: "a head altered",
    by: "superuser",
    sql: "update audit.chain_heads set seal = sha256('x') where agent = 'a'",
    caught: "altered-head",
  },
  {
    what: "a head made before its chain, for its first receipt to follow from",
    by: "superuser",
    sql: "insert into audit.chain_heads values ('z', 0, '-infinity', sha256('x'), 'x', null)",
    caught: "altered-head",
  },
  {
    what: "a chain that was begun without a head, so that all of that agent is refused",
    by: "owner",
    sql: "insert into audit.chains values ('chain_heads', 'z')",
    caught: "altered-head",
  },
  {
    what: "a head of changes with a negative place",
    by: "superuser",
    sql: "insert into audit.history_heads values ('z', -3)",
    caught: "altered-history",
  },
  {
    what: "a head at the last place there can be",
    by: "superuser",
    sql: "update audit.chain_heads set seq = 9223372036854775807 where agent = 'b'",
    caught: "cut-off-tail",
  },
  {
    what: "a second head of an agent",
    by: "owner",
    sql: "insert into audit.chain_heads select * from audit.chain_heads where agent = 'a'",
    caught: "altered-head",
  },
  {
    what: "a head dated ahead, so that all that follows is",
    by: "superuser",
    sql: "update audit.chain_heads set sealed_at = now() + interval '1 year' where agent = 'a'",
    caught: "altered-head",
  },
  {
    what: "a head of changes dated back, so that the next may be",
    by: "superuser",
    sql: "update audit.history_heads set changed_at = '-infinity' where agent = 'a'",
    caught: "altered-history",
  },
  {
    what: "a result of an imported receipt altered, and its month said to be archived",
    by: "superuser",
    sql: `${imported} update receipts set result = '{"forged": true}' where created_at < now() - interval '2 months';
      insert into audit.checkpoints select 1, 'history', 'z', 1, 1, sha256(''), null, source, now(), audit.checkpoint_seal('', 1, 'history', 'z', 1, 1, sha256(''), null, source, now())
        from to_char(now() - interval '3 months', '"receipt_history_"YYYY_MM') source`,
    caught: "altered-column",
  },
  {
    what: "a receipt dated back, by a bound that was opened and closed again",
    by: "owner",
    sql: datedBack,
    caught: "misdated",
  },
  {
    what: "the record of an import removed",
    by: "superuser",
    sql: `${imported} delete from audit.imports`,
    caught: "misdated",
  },
  {
    what: "the reason of an import altered",
    by: "superuser",
    sql: `${imported} update audit.imports set reason = 'something harmless'`,
    caught: "altered-import",
  },
  {
    what: "an import pointed to other receipts",
    by: "superuser",
    sql: `${imported} update audit.imports set first_seq = 1, last_seq = 1`,
    caught: "misdated",
  },
  {
    what: "an import pointed to all receipts, with a right seal",
    by: "superuser",
    sql: `${imported} update audit.imports set first_seq = 1;
      update audit.imports i set seal = audit.import_seal('', i.seq, i.reason, i.opened_by, i.application, i.opened_at, i.agent, i.first_seq, i.last_seq, i.sealed_at)`,
    caught: "altered-import",
  },
  {
    what: "an import of receipts that are not there",
    by: "superuser",
    sql: forgedImport(
      "now() as opened_at, 'a' as agent, 7::int8 as first_seq, 9::int8 as last_seq, now() as sealed_at",
    ),
    caught: "altered-import",
  },
  {
    what: "an import recorded in advance, for a receipt that is then dated back",
    by: "superuser",
    sql: `${forgedImport("now() - interval '1 minute' as opened_at, 'a' as agent, 7::int8 as first_seq, 7::int8 as last_seq, now() - interval '1 minute' as sealed_at")}
      set session_replication_role = origin; ${datedBack}`,
    caught: "altered-import",
  },
  {
    what: "the hash in a head altered",
    by: "superuser",
    sql: "update audit.chain_heads set receipt_hash = 'x' where agent = 'b'",
    caught: "altered-head",
  },
  {
    what: "a checkpoint dated back",
    by: "superuser",
    sql: `${archived} update audit.checkpoints set made_at = made_at - interval '1 day' where seq = 2`,
    caught: "altered-checkpoint",
  },
  {
    what: "a checkpoint made up for a month that is here",
    by: "superuser",
    sql: "insert into audit.checkpoints select 1, 'history', 'a', 1, 1, sha256(''), null, 'receipt_history_past', now(), audit.checkpoint_seal('', 1, 'history', 'a', 1, 1, sha256(''), null, 'receipt_history_past', now())",
    caught: "altered-checkpoint",
  },
  {
    what: "rows moved to a partition whose bounds they are not within",
    by: "superuser",
    sql: "create temp table moved as select * from receipts where actor_id = 'a'; delete from receipts where actor_id = 'a'; alter table receipts detach partition receipts_past; alter table receipts_past drop constraint past_bound; insert into receipts_past select * from moved; do $$ declare first timestamptz := audit.month_start(audit.month_of(now())); begin execute format('alter table receipts_past add constraint past_bound check (created_at < %L::timestamptz) not valid', first); update pg_constraint set convalidated = true where conrelid = 'receipts_past'::regclass and conname = 'past_bound'; execute format('alter table receipts attach partition receipts_past for values from (minvalue) to (%L)', first); end $$",
    caught: "misplaced-row",
  },
  {
    what: "history archived without its receipts",
    by: "owner",
    sql: "select audit.detach_month('audit.receipt_history', audit.month_of(now()))",
    caught: "half-archived",
  },

  // Guards.
  {
    what: "a trigger switched off",
    by: "owner",
    sql: "alter table receipts disable trigger seal",
    caught: "guard-off",
  },
  {
    what: "a trigger added",
    by: "owner",
    sql: "create function public.g() returns trigger language plpgsql as 'begin return null; end'; create trigger a before insert on audit.chain_heads for each row execute function public.g()",
    caught: "guard-off",
  },
  {
    what: "a rule added",
    by: "owner",
    sql: "create rule r as on insert to receipts do instead nothing",
    caught: "guard-off",
  },
  { what: "a policy added", by: "owner", sql: "create policy p on api_keys using (false)", caught: "guard-off" },
  {
    what: "a function replaced",
    by: "owner",
    sql: "create or replace function audit.birth_state(decision_outcome text, created_at timestamptz) returns jsonb language sql stable as $$ select '{}'::jsonb $$",
    caught: "guard-off",
  },
  {
    what: "a function given a better fitting overload",
    by: "owner",
    sql: "create function audit.check_state(r public.receipts_past) returns void language sql as 'select'",
    caught: "guard-off",
  },
  {
    what: "a function that runs as its owner, for others",
    by: "owner",
    sql: "create function public.h() returns void language sql security definer as 'select'; grant execute on function public.h() to public",
    caught: "guard-off",
  },
  {
    what: "a function run by everyone",
    by: "owner",
    sql: "grant execute on function audit.archive_month(date) to public",
    caught: "guard-off",
  },
  {
    what: "a function's search path taken away",
    by: "owner",
    sql: "alter function audit.record_changes() reset search_path",
    caught: "guard-off",
  },
  {
    what: "a function given to another",
    by: "superuser",
    sql: "alter function audit.check_change() owner to authensor_app",
    caught: "guard-off",
  },
  {
    what: "heads that a crash empties (UNLOGGED)",
    by: "owner",
    sql: "alter table audit.chain_heads set unlogged",
    caught: "guard-off",
  },
  {
    what: "a partition that a crash empties",
    by: "owner",
    sql: "alter table receipts_future set unlogged",
    caught: "guard-off",
  },
  {
    what: "a child table that answers for another",
    by: "owner",
    sql: "create table public.child () inherits (audit.chain_heads)",
    caught: "guard-off",
  },
  {
    what: "a column of a type of one's own, with a cast",
    by: "owner",
    sql: "create type public.outcome as enum ('allow', 'deny'); create function public.lie(public.outcome) returns text language sql immutable as $$ select 'allow' $$; create cast (public.outcome as text) with function public.lie(public.outcome) as implicit; alter table audit.receipt_history alter application type public.outcome using 'allow'",
    caught: "guard-off",
  },
  {
    what: "a column of another collation",
    by: "owner",
    sql: 'alter table audit.history_heads alter agent type text collate "POSIX"',
    caught: "guard-off",
  },
  {
    what: "a column of one's own in a trail's table",
    by: "owner",
    sql: "alter table receipts add column extra text default 'x'",
    caught: "guard-off",
  },
  {
    what: "NOT NULL dropped",
    by: "owner",
    sql: "alter table receipts alter receipt_hash drop not null",
    caught: "guard-off",
  },
  {
    what: "the key dropped that keeps an agent from having two heads",
    by: "owner",
    sql: "alter table audit.chains drop constraint chains_pkey",
    caught: "guard-off",
  },
  {
    what: "an index marked as not valid",
    by: "superuser",
    sql: "set allow_system_table_mods = on; update pg_index set indisvalid = false where indexrelid = 'audit.chains_pkey'::regclass",
    caught: "guard-off",
  },
  {
    what: "a right on one column",
    by: "owner",
    sql: "grant update (decision) on receipts to authensor_app",
    caught: "guard-off",
  },
  {
    what: "a right on a partition",
    by: "owner",
    sql: "grant select on receipts_past to authensor_telemetry",
    caught: "guard-off",
  },
  {
    what: "a right passed on",
    by: "owner",
    sql: "grant select on receipts to authensor_auditor with grant option",
    caught: "guard-off",
  },
  {
    what: "rights by default",
    by: "owner",
    sql: "alter default privileges in schema audit grant all on tables to authensor_app",
    caught: "guard-off",
  },
  {
    what: "a right to make temporary objects",
    by: "owner",
    sql: "do $$ begin execute format('grant temp on database %I to public', current_database()); end $$",
    caught: "guard-off",
  },
  {
    what: "a right in a schema",
    by: "owner",
    sql: "grant create on schema audit to authensor_app",
    caught: "guard-off",
  },
  {
    what: "membership in another role",
    by: "superuser",
    // Not in the owner: from PostgreSQL 16 on that is a member of each role it made, and no two are members of each other.
    sql: "grant authensor_maintenance to authensor_app",
    caught: "guard-off",
  },
  {
    what: "membership in one of PostgreSQL's roles",
    by: "superuser",
    sql: "grant pg_write_all_data to authensor_telemetry",
    caught: "guard-off",
  },
  { what: "a power given to a role", by: "superuser", sql: "alter role authensor_app bypassrls", caught: "guard-off" },
  { what: "a role of one's own", by: "superuser", sql: "create role back_door login superuser", caught: "guard-off" },
  {
    what: "a role called like one of RDS', with power",
    by: "superuser",
    sql: "create role rds_ad login superuser",
    caught: "guard-off",
  },
  {
    what: "a role called like one of RDS', that may log in and write all",
    by: "superuser",
    sql: "create role rds_ad login; grant pg_write_all_data to rds_ad",
    caught: "guard-off",
  },
  {
    what: "a role called like one that RDS logs in as, that may write all",
    by: "superuser",
    sql: "create role rdstopmgr login; grant pg_write_all_data to rdstopmgr",
    caught: "guard-off",
  },
  {
    what: "programs of the server for RDS' role for masters, in which the owner is",
    by: "superuser",
    sql: "grant pg_execute_server_program to rds_superuser",
    caught: "guard-off",
  },
  {
    what: "a rule on one of PostgreSQL's views",
    by: "superuser",
    sql: "set allow_system_table_mods = on; create rule r as on insert to pg_settings do instead nothing",
    caught: "guard-off",
  },
  {
    what: "a trigger on one of PostgreSQL's tables",
    by: "superuser",
    sql: "set allow_system_table_mods = on; create trigger t before insert on pg_largeobject for each row execute function suppress_redundant_updates_trigger()",
    caught: "guard-off",
  },
  {
    what: "a role's setting",
    by: "superuser",
    sql: "alter role authensor_app set session_replication_role = replica",
    caught: "guard-off",
  },
  {
    what: "a setting for everyone",
    by: "superuser",
    sql: "alter role all set session_replication_role = replica",
    caught: "guard-off",
  },
  {
    what: "a right to set what only a superuser may",
    by: "superuser",
    sql: "grant set on parameter session_replication_role to authensor_app",
    caught: "guard-off",
  },
  {
    what: "an event trigger",
    by: "superuser",
    sql: `${helper} create event trigger e on ddl_command_start execute function public.f()`,
    caught: "guard-off",
  },
  {
    what: "a right on one of PostgreSQL's functions",
    by: "superuser",
    sql: "grant execute on function pg_read_file(text) to authensor_app",
    caught: "guard-off",
  },
  {
    what: "an overload of one of PostgreSQL's functions beside it",
    by: "superuser",
    sql: "set allow_system_table_mods = on; create function pg_catalog.sha256(text) returns bytea language sql as $$ select ''::bytea $$",
    caught: "guard-off",
  },
  {
    what: "an operator of one's own",
    by: "superuser",
    sql: "create function public.same(text, uuid) returns bool language sql as 'select true'; create operator public.= (leftarg = text, rightarg = uuid, function = public.same)",
    caught: "guard-off",
  },
  {
    what: "an untrusted language trusted",
    by: "superuser",
    sql: "update pg_language set lanpltrusted = true where lanname = 'c'",
    caught: "guard-off",
  },
  {
    what: "a publication that carries receipts away",
    by: "superuser",
    sql: "create publication p for all tables",
    caught: "guard-off",
  },
  {
    what: "a foreign server",
    by: "superuser",
    sql: "create foreign data wrapper w; create server s foreign data wrapper w",
    caught: "guard-off",
  },
  {
    what: "PostgreSQL's view of roles without one of them",
    by: "superuser",
    sql: "set allow_system_table_mods = on; do $$ begin execute format('create or replace view pg_catalog.pg_roles as select * from (%s) r where rolname <> ''back_door''', rtrim(pg_get_viewdef('pg_roles'), ';')); end $$",
    caught: "guard-off",
  },
  {
    what: "a right said to be there from the first",
    by: "superuser",
    sql: "grant execute on function pg_read_file(text) to authensor_app; update pg_init_privs set initprivs = proacl from pg_proc p where objoid = p.oid and p.oid = 'pg_read_file(text)'::regprocedure",
    caught: "guard-off",
  },
  {
    what: "large values that a crash empties",
    by: "superuser",
    sql: "update pg_class set relpersistence = 'u' where oid = (select reltoastrelid from pg_class where oid = 'receipts_past'::regclass)",
    caught: "guard-off",
  },
  {
    what: "large values given to another",
    by: "superuser",
    sql: "update pg_class set relowner = 'authensor_app'::regrole where oid = (select reltoastrelid from pg_class where oid = 'receipts_past'::regclass)",
    caught: "guard-off",
  },
  {
    what: "large values whose index is not kept",
    by: "superuser",
    sql: "update pg_index set indisready = false where indrelid = (select reltoastrelid from pg_class where oid = 'audit.receipt_history_past'::regclass)",
    caught: "guard-off",
  },
  {
    what: "an index that new snapshots do not use",
    by: "superuser",
    sql: "update pg_index set indcheckxmin = true where indexrelid = 'audit.chains_pkey'::regclass",
    caught: "guard-off",
  },
  {
    what: "partitions that are not read",
    by: "superuser",
    sql: "update pg_class set relhassubclass = false where oid = 'telemetry_events'::regclass",
    caught: "guard-off",
  },
  {
    what: "a column read as shorter than its type",
    by: "superuser",
    sql: "update pg_attribute set attlen = 4, attbyval = true where attrelid = 'audit.checkpoints'::regclass and attname = 'made_at'",
    caught: "guard-off",
  },
  {
    what: "a foreign key that is not checked",
    by: "superuser",
    sql: "update pg_trigger set tgtype = 0 where tgisinternal",
    caught: "guard-off",
  },
  {
    what: "a partition that takes what no other does, by the catalog alone",
    by: "superuser",
    sql: "update pg_partitioned_table set partdefid = 'receipts_past'::regclass where partrelid = 'receipts'::regclass",
    caught: "guard-off",
  },
  {
    what: "a row's type that is not NULL",
    by: "superuser",
    sql: "update pg_type set typnotnull = true where oid = 'audit.checkpoints'::regtype",
    caught: "guard-off",
  },
  {
    what: "an array of rows that another function reads",
    by: "superuser",
    sql: "update pg_type set typoutput = 'textout'::regproc where oid = 'receipts[]'::regtype",
    caught: "guard-off",
  },
  {
    what: "large values that are never vacuumed, until the server stops at its transaction limit",
    by: "owner",
    sql: "alter table receipts_past set (toast.autovacuum_enabled = false)",
    caught: "guard-off",
  },
  {
    what: "all partitions of a table dropped",
    by: "owner",
    sql: "do $$ declare name text; begin for name in select inhrelid::regclass from pg_inherits where inhparent = 'telemetry_events'::regclass loop execute 'drop table ' || name; end loop; end $$",
    caught: "guard-off",
  },
  {
    what: "a month taken out of the middle",
    by: "owner",
    sql: thisMonth("alter table telemetry_events detach partition telemetry_events_MONTH"),
    caught: "guard-off",
  },
  {
    what: "a month under the name of another",
    by: "owner",
    sql: thisMonth("alter table telemetry_events_MONTH rename to telemetry_events_2031_05"),
    caught: "guard-off",
  },
  {
    what: "a partition for whatever no other takes",
    by: "owner",
    sql: "select audit.create_partition('telemetry_events', '2031_05', (audit.future_partition('telemetry_events')).options); alter table telemetry_events attach partition telemetry_events_2031_05 default",
    caught: "guard-off",
  },
  {
    what: "a future that ends",
    by: "owner",
    sql: `do $$ declare since timestamptz := (audit.future_partition('telemetry_events')).since; begin
      alter table telemetry_events detach partition telemetry_events_future;
      execute format('alter table telemetry_events attach partition telemetry_events_future for values from (%L) to (%L)', since, since + interval '1 year'); end $$`,
    caught: "guard-off",
  },
  {
    what: "a trigger on a month that was taken out",
    by: "owner",
    sql: `${archived} ${thisMonth("create trigger t before update on receipts_MONTH for each row execute function suppress_redundant_updates_trigger()")}`,
    caught: "guard-off",
  },
  {
    what: "a right on a month that was taken out",
    by: "owner",
    sql: `${archived} ${thisMonth("grant select on audit.receipt_history_MONTH to authensor_telemetry")}`,
    caught: "guard-off",
  },
  {
    what: "a right on one column of a month that was taken out",
    by: "owner",
    sql: `${archived} ${thisMonth("grant select (envelope) on public.receipts_MONTH to authensor_telemetry")}`,
    caught: "guard-off",
  },
  {
    what: "a table called like a month that was taken out, of something else",
    by: "owner",
    sql: "create table public.receipts_2020_02 (stolen text)",
    caught: "guard-off",
  },
  {
    what: "the bound of the past taken away",
    by: "owner",
    sql: "alter table receipts_past drop constraint past_bound",
    caught: "guard-off",
  },
  {
    what: "another bound of the past",
    by: "owner",
    sql: "alter table receipts_past drop constraint past_bound, add constraint past_bound check (created_at < '2020-01-01 00:00+00') not valid",
    caught: "guard-off",
  },
  {
    what: "a drain that writes down half of what tells a row from others",
    by: "owner",
    sql: "create trigger audit_drain after insert or update or delete on receipts_future for each row execute function audit.record_change('audit.receipts_changes', '$1.id')",
    caught: "guard-off",
  },
  {
    what: "a checkpoint made up for an agent that is not known",
    by: "superuser",
    sql: "insert into audit.checkpoints select 1, 'receipts', 'z', 1, 1, sha256(''), 'x', 'receipts_2020_01', now(), audit.checkpoint_seal('', 1, 'receipts', 'z', 1, 1, sha256(''), 'x', 'receipts_2020_01', now())",
    caught: "altered-checkpoint",
  },
  {
    what: "an extension given to another",
    by: "superuser",
    sql: "update pg_extension set extowner = 'authensor_app'::regrole where extname = 'plpgsql'",
    caught: "guard-off",
  },
  {
    what: "a function of the monitor's extension that runs as its owner",
    by: "superuser",
    sql: "create extension pg_stat_statements; alter function pg_stat_statements_reset security definer",
    caught: "guard-off",
  },
  {
    what: "a logical replication slot",
    by: "superuser",
    sql: "select pg_create_logical_replication_slot('away', 'pgoutput')",
    caught: "guard-off",
  },
  {
    what: "libraries that every session loads",
    by: "superuser",
    sql: "alter role all set session_preload_libraries = 'auto_explain'",
    caught: "guard-off",
  },
  {
    what: "words of receipts removed from the search index",
    by: "owner",
    sql: `${indexed} delete from audit.search_chunks`,
    caught: "unsearchable",
  },
  {
    what: "one word of a receipt removed from the search index",
    by: "owner",
    sql: `${indexed} update audit.search_chunks set words = ts_delete(words, 'orders')`,
    caught: "unsearchable",
  },
  {
    what: "words of receipts said to be of another time in the search index",
    by: "owner",
    sql: `${indexed} update audit.search_chunks set newest = oldest`,
    caught: "unsearchable",
  },
  {
    what: "a receipt stored behind the search index' back",
    by: "owner",
    sql: `${indexed} select setval('audit.search_line', 0)`,
    caught: "unsearchable",
  },
  {
    what: "the search index' line said never to have been drawn",
    by: "owner",
    sql: `${indexed} select setval('audit.search_line', last_value, false) from audit.search_line`,
    caught: "unsearchable",
  },
  {
    what: "the search's words made by another dictionary",
    by: "superuser",
    sql: "alter text search configuration pg_catalog.simple alter mapping for asciiword with english_stem",
    caught: "guard-off",
  },
  {
    what: "one of PostgreSQL's functions replaced by SQL, in its own place",
    by: "superuser",
    sql: "update pg_proc set prolang = 14, prosrc = 'select 4711' where oid = 'octet_length(bit)'::regprocedure",
    caught: "guard-off",
  },
  {
    what: "one of PostgreSQL's functions that NULL passes by",
    by: "superuser",
    sql: "update pg_proc set proisstrict = false where oid = 'sha512(bytea)'::regprocedure",
    caught: "guard-off",
  },
  {
    what: "two of PostgreSQL's functions with each other's names",
    by: "superuser",
    sql: "alter function sha384(bytea) rename to sha; alter function sha512(bytea) rename to sha384; alter function sha(bytea) rename to sha512",
    caught: "guard-off",
  },
  {
    what: "a function of one's own said to be PostgreSQL's",
    by: "superuser",
    sql: "create function public.sha256(text) returns bytea language sql as $$ select ''::bytea $$; update pg_proc set oid = 9999, pronamespace = 'pg_catalog'::regnamespace, proowner = 10 where oid = 'public.sha256(text)'::regprocedure",
    caught: "guard-off",
  },
  {
    what: "documents that never differ: one of PostgreSQL's operators calls another function",
    by: "superuser",
    sql: "update pg_operator set oprcode = 'jsonb_ne' where oid = '=(jsonb,jsonb)'::regoperator; update pg_operator set oprcode = 'jsonb_eq' where oid = '<>(jsonb,jsonb)'::regoperator; update receipts set result = '{}' where actor_id = 'a' and chain_seq = 2",
    caught: "guard-off",
  },
  {
    what: "a cast that is made unasked",
    by: "superuser",
    sql: "update pg_cast set castcontext = 'i' where castsource = 'int8'::regtype and casttarget = 'int4'::regtype",
    caught: "guard-off",
  },
  {
    what: "an index' order by another function",
    by: "superuser",
    sql: "update pg_amproc set amproc = 'bthandler' where amproc = 'macaddr_cmp'::regproc",
    caught: "guard-off",
  },
  {
    what: "one of PostgreSQL's types written by another function",
    by: "superuser",
    sql: "update pg_type set typoutput = 'textout' where oid = 'macaddr'::regtype",
    caught: "guard-off",
  },
  {
    what: "a sum that starts elsewhere",
    by: "superuser",
    sql: "update pg_aggregate set agginitval = '1' where aggfnoid = 'count(\"any\")'::regprocedure",
    caught: "guard-off",
  },
  {
    what: "an access method with another handler",
    by: "superuser",
    sql: "update pg_am set amhandler = 'hashhandler' where amname = 'gist'",
    caught: "guard-off",
  },
  {
    what: "a column of PostgreSQL's catalog called otherwise",
    by: "superuser",
    sql: "update pg_attribute set attname = 'evtold' where attrelid = 'pg_event_trigger'::regclass and attname = 'evttags'",
    caught: "guard-off",
  },
  { what: "large objects", by: "owner", sql: "select lo_create(4711)", caught: "guard-off" },
  {
    what: "a view in front of a table",
    by: "owner",
    sql: "alter table audit.migrations rename to hidden; create view audit.migrations as select * from audit.hidden",
    caught: "guard-off",
  },

  // Lanes: chains as any other, with the agent's name and a number.
  {
    what: "the lane of a receipt altered",
    by: "superuser",
    sql: `update receipts set lane = 2 where ${inLane(1)} and chain_seq = 4`,
    caught: "removed-row",
  },
  {
    what: "the newest receipt said to be the first of a lane that is not there",
    by: "superuser",
    sql: `update receipts set lane = 3, chain_seq = 1 where ${inLane(1)} and chain_seq = 6`,
    caught: "removed-row",
  },
  {
    what: "no lane where there was one",
    by: "superuser",
    sql: `alter table receipts alter lane drop not null; update receipts set lane = null where ${inLane(1)} and chain_seq = 6`,
    caught: "cut-off-tail",
  },
  {
    what: "a lane said of a receipt in the agent's own chain",
    by: "superuser",
    sql: "update receipts set lane = 1 where actor_id = 'a' and chain_seq = 4",
    caught: "removed-row",
  },
  {
    what: "the newest receipts of a lane removed",
    by: "superuser",
    sql: `delete from receipts where ${inLane(1)} and chain_seq > 4`,
    caught: "cut-off-tail",
  },
  {
    what: "two lanes exchanged, with their heads",
    by: "superuser",
    sql: `update receipts set lane = 3 - lane where actor_id = 'c';
      update audit.chain_heads set agent = case agent when ${lane("c", 1)} then ${lane("c", 2)} else ${lane("c", 1)} end where agent like 'c%'`,
    caught: "altered-column",
  },
  {
    what: "a lane given to another agent, with its head",
    by: "superuser",
    sql: `update receipts set actor_id = 'b' where ${inLane(1)}; update audit.chain_heads set agent = ${lane("b", 1)} where agent = ${lane("c", 1)};
      update audit.chains set agent = ${lane("b", 1)} where agent = ${lane("c", 1)}`,
    caught: "altered-column",
  },
  {
    what: "a lane said to be an agent of its name",
    by: "superuser",
    sql: `update receipts set actor_id = ${lane("c", 1)}, lane = 0 where ${inLane(1)}`,
    caught: "altered-column",
  },
  {
    what: "a lane forked, with a right seal",
    by: "superuser",
    sql: `insert into receipts (id, envelope_id, status, decision_outcome, tool_name, actor_id, lane, envelope, decision, created_at, updated_at, sealed_at,
                                chain_seq, prev_receipt_hash, chain_seal, receipt_hash)
      select n.id, n.id, 'pending', 'allow', 'forged', 'c', 1, '{}', '{}', p.created_at, p.created_at, p.sealed_at, 6, p.receipt_hash,
             audit.chain_seal(p.chain_seal, 6, p.sealed_at, audit.receipt_content(n.id, n.id, null, p.created_at, 'allow', 'forged', ${lane("c", 1)}, '{}', '{}'), p.receipt_hash),
             audit.authensor_hash(n.id, n.id, p.created_at, 'allow', p.receipt_hash)
        from receipts p cross join (select gen_random_uuid() as id offset 0) n where ${inLane(1)} and chain_seq = 5`,
    caught: "forked",
  },
  {
    what: "the head of a lane removed, so that nothing more of it is stored",
    by: "owner",
    sql: `delete from audit.chain_heads where agent = ${lane("c", 1)}`,
    caught: "altered-head",
  },
  {
    what: "a lane removed from those that were begun, so that without its head a second one would begin",
    by: "owner",
    sql: `delete from audit.chains where agent = ${lane("c", 1)}`,
    caught: "altered-head",
  },

  // What nothing in the database can show.
  {
    what: "a lane whose receipts never changed removed with all that is known of it",
    by: "superuser",
    sql: `delete from audit.receipt_history where agent = 'c'; delete from audit.history_heads where agent = 'c'; delete from audit.chains where agent like 'c%';
      delete from receipts where actor_id = 'c'; delete from audit.chain_heads where agent like 'c%'`,
    caught: { not: "nothing here knows of it any more; an anchor taken before shows it (`cut-off-tail`)" },
  },
  {
    what: "the last receipt rewritten together with its head",
    by: "superuser",
    sql: lastReceipt,
    caught: { not: "it follows, and is what the head says; an anchor taken before shows it (`rewritten`)" },
  },
  {
    what: "the newest receipts cut off together with their head",
    by: "superuser",
    sql: "delete from receipts where actor_id = 'b' and chain_seq = 6; update audit.chain_heads h set seq = 5, sealed_at = r.sealed_at, seal = r.chain_seal, receipt_hash = r.receipt_hash, prev_receipt_hash = r.prev_receipt_hash from receipts r where r.actor_id = 'b' and r.chain_seq = 5 and h.agent = 'b'",
    caught: { not: "nothing here knows of them any more; an anchor taken before shows it (`cut-off-tail`)" },
  },
  {
    what: "an agent removed with all that is known of it",
    by: "superuser",
    sql: "delete from receipts where actor_id = 'b'; delete from audit.receipt_history where agent = 'b'; delete from audit.chain_heads where agent = 'b'; delete from audit.history_heads where agent = 'b'; delete from audit.chains where agent = 'b'",
    caught: { not: "nothing here knows of it any more; an anchor taken before shows it (`cut-off-tail`)" },
  },
  {
    what: "all changes removed with their heads, and receipts as they were born",
    by: "superuser",
    sql: "truncate audit.receipt_history, audit.history_heads; delete from audit.chains where heads = 'history_heads'; update receipts set result = null, rekor_entry_id = null, updated_at = created_at",
    caught: { not: "nothing here knows of them any more; an anchor taken before shows it (`altered-history`)" },
  },
  {
    what: "a head's own copy of the hash before the last",
    by: "superuser",
    sql: "update audit.chain_heads set prev_receipt_hash = 'x' where agent = 'a'",
    caught: { not: "it is written anew with the next receipt, before it is read, and says nothing of any receipt" },
  },
  {
    what: "a receipt dated back, and an import made up for it with right seals and times",
    by: "superuser",
    sql: `set session_replication_role = origin; ${datedBack} set session_replication_role = replica;
      ${forgedImport("now() - interval '1 minute' as opened_at, 'a' as agent, 7::int8 as first_seq, 7::int8 as last_seq, now() as sealed_at")}`,
    caught: {
      not: "it follows, and is what an import leaves; an anchor taken an hour or more after the time that it claims, and before it was made up, shows it (`altered-import`)",
    },
  },
  {
    what: "a receipt of a new agent made up for the past, with right seals",
    by: "superuser",
    sql: madeUpReceipt("ghost", "now() - interval '2 hours'"),
    caught: {
      not: "it follows, and its agent may have been new then; an anchor taken an hour or more after the time that it claims, and before it was made up, shows it (`disordered`), and so do the archiver and the bucket (`late`, `altered-archive`)",
    },
  },
  {
    what: "imported receipts removed, and a month of theirs said to have left, in which nothing was",
    by: "superuser",
    sql: `insert into audit.checkpoints select 1, 'receipts', 'a', 1, 1, chain_seal, receipt_hash, 'receipts_2019_05', now(),
        audit.checkpoint_seal('', 1, 'receipts', 'a', 1, 1, chain_seal, receipt_hash, 'receipts_2019_05', now()) from receipts where actor_id = 'a' and chain_seq = 1;
      delete from receipts where actor_id = 'a' and chain_seq = 1`,
    caught: {
      not: "a month without a receipt leaves nothing either; the exit code is 3, and the bucket, whose dumps name the months that there were, shows it (`altered-checkpoint`)",
    },
  },
  {
    what: "an agent removed from those whose chains were begun, so that without its head a second one would begin",
    by: "owner",
    sql: "delete from audit.chains where heads = 'chain_heads' and agent = 'a'",
    caught: "altered-head",
  },
  {
    what: "an agent removed from those whose chains of changes were begun",
    by: "owner",
    sql: "delete from audit.chains where heads = 'history_heads' and agent = 'b'; delete from audit.chains where heads = 'history_heads' and agent = 'a'",
    caught: "altered-history",
  },
  {
    what: "a run said to have succeeded in the future, so that none is missed until then",
    by: "owner",
    sql: "insert into audit.program_runs values ('partitions', now() + interval '1 year', now() + interval '1 year', 'made')",
    caught: "guard-off",
  },
  {
    what: "a run of the archiver said to have archived what is still to come",
    by: "owner",
    sql: "update audit.archive set archived_until = 'infinity'",
    caught: "guard-off",
  },
  {
    what: "a program awaited from next year on",
    by: "owner",
    sql: "update audit.programs set since = now() + interval '1 year' where program = 'verify-whole'",
    caught: "guard-off",
  },
  {
    what: "a program whose runs another role reports",
    by: "owner",
    sql: "update audit.programs set role = 'authensor_app' where program = 'verify-recent'",
    caught: "guard-off",
  },
  {
    what: "a program that is not known any more",
    by: "owner",
    sql: "delete from audit.programs where program = 'retire'",
    caught: "guard-off",
  },
  {
    what: "a program that nobody awaits",
    by: "owner",
    sql: "update audit.programs set since = null where program = 'verify-whole'",
    caught: "guard-off",
  },
  {
    what: "drills that nobody awaits",
    by: "owner",
    sql: "update audit.drill set since = null",
    caught: "guard-off",
  },
  {
    what: "no row left that says how far the archive is",
    by: "owner",
    sql: "delete from audit.archive",
    caught: "guard-off",
  },
  {
    what: "a kind of verification that is not awaited any more",
    by: "owner",
    sql: "delete from audit.verifications where scope = 'whole'",
    caught: "guard-off",
  },
  {
    what: "more connections for a role than the deployment gives it",
    by: "owner",
    sql: "update audit.connection_limits set connections = 5000 where role = 'authensor_maintenance'",
    caught: "guard-off",
  },
  {
    what: "a table that a drain never made, on the list of those it is filling",
    by: "owner",
    sql: "insert into audit.drain_targets values ('receipts', 'receipts_past', '2026-01-01', '2026-02-01')",
    caught: { not: "it is no evidence: a drain drops what it made, and refuses what else is on its list" },
  },
  {
    what: "what PostgreSQL says depends on what",
    by: "superuser",
    sql: "delete from pg_depend where refobjid = 'audit.seal_receipt()'::regprocedure or objid = 'audit.seal_receipt()'::regprocedure",
    caught: {
      not: "it guards nothing: it only says what a DROP refuses or takes with it, and what was dropped is missed then (`guard-off`)",
    },
  },
  {
    what: "a program awaited from today on, so that it is overdue later",
    by: "owner",
    sql: "update audit.programs set since = now()",
    caught: {
      not: "since when a program is awaited is known here alone; its alarm comes later once, and `verify-archived` or a run by hand finds what the others would have",
    },
  },
  {
    what: "an archive of a month made up, by which one may leave",
    by: "owner",
    sql: "insert into audit.archived_chains select 'receipts', agent, seq, seal from audit.chain_heads",
    caught: {
      not: "it says what is in the bucket, and `verify --archived` compares it with that (`guard-off`); `retire` lets no month leave that the bucket does not prove to have",
    },
  },
  {
    what: "a guard opened, used and closed again",
    by: "superuser",
    sql: "grant delete on receipts to authensor_app; revoke delete on receipts from authensor_app",
    caught: {
      not: "nothing of it remains but what was written through it; the server's log (log_statement = ddl) has it",
    },
  },
  {
    what: "a value beside the evidence: 1.0 as 1.00 in a result",
    by: "superuser",
    sql: "update receipts set result = '{\"n\": 1.00}' where actor_id = 'a' and chain_seq = 3",
    caught: { not: "as JSON both are the same value, and neither is evidence over the other" },
  },
];

export const docsFile = join(__dirname, "../../docs/verification.md");
const [begin, end] = ["<!-- tamperings: npm run tamperings -->", "<!-- end of tamperings -->"];

export function withTable(docs: string): string {
  if (!docs.includes(begin) || !docs.includes(end)) throw new Error(`${docsFile} has no place for the table`);
  const rows = tamperings.map(
    ({ what, by, caught }) =>
      `| ${what} | ${by} | ${typeof caught === "string" ? `\`${caught}\`` : `nothing: ${caught.not}`} |`,
  );
  const table = ["| tampering | by | what catches it |", "|---|---|---|", ...rows].join("\n");
  return docs.slice(0, docs.indexOf(begin) + begin.length) + `\n\n${table}\n\n` + docs.slice(docs.indexOf(end));
}

if (process.argv[1] === __filename) writeFileSync(docsFile, withTable(readFileSync(docsFile, "utf8")));
