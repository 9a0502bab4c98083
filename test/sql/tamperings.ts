/**
 * Kinds of tampering, each tried by verifyTampering.test.ts; `npm run tamperings` writes the table of docs/verification.md from them.
 * Tried on two agents, a and b, with six receipts each; a's receipts 2 and 3 have changed since.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FindingKind } from "../../ops/verify/findings";

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
    sql: `set session_replication_role = origin; select audit.open_import('receipts of a test');
      insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, created_at, updated_at)
        select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'a', '{}', '{}', t, t from (select now() - interval '3 months' as t) x;
      set session_replication_role = replica; update receipts set result = '{"forged": true}' where created_at < now() - interval '2 months';
      insert into audit.checkpoints select 1, 'history', 'z', 1, 1, sha256(''), null, source, now(), audit.checkpoint_seal('', 1, 'history', 'z', 1, 1, sha256(''), null, source, now())
        from to_char(now() - interval '3 months', '"receipt_history_"YYYY_MM') source`,
    caught: "altered-column",
  },
  {
    what: "a checkpoint made up for a month that is here",
    by: "superuser",
    sql: "insert into audit.checkpoints select 1, 'history', 'z', 1, 1, sha256(''), null, 'receipt_history_past', now(), audit.checkpoint_seal('', 1, 'history', 'z', 1, 1, sha256(''), null, 'receipt_history_past', now())",
    caught: "altered-checkpoint",
  },
  {
    what: "rows moved to a partition whose bounds they are not within",
    by: "superuser",
    sql: "create temp table moved as select * from receipts where actor_id = 'a'; delete from receipts where actor_id = 'a'; alter table receipts detach partition receipts_past; alter table receipts_past drop constraint past_bound; insert into receipts_past select * from moved; alter table receipts_past add constraint past_bound check (created_at < '2026-11-01 00:00+00') not valid; update pg_constraint set convalidated = true where conrelid = 'receipts_past'::regclass and conname = 'past_bound'; alter table receipts attach partition receipts_past for values from (minvalue) to ('2026-11-01 00:00+00')",
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
    what: "a unique index dropped from the heads",
    by: "owner",
    sql: "alter table audit.chain_heads drop constraint chain_heads_pkey",
    caught: "guard-off",
  },
  {
    what: "an index marked as not valid",
    by: "superuser",
    sql: "set allow_system_table_mods = on; update pg_index set indisvalid = false where indexrelid = 'audit.chain_heads_pkey'::regclass",
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
    what: "membership without inheritance of rights",
    by: "superuser",
    sql: "grant authensor_owner to authensor_app",
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
  { what: "large objects", by: "owner", sql: "select lo_create(4711)", caught: "guard-off" },
  {
    what: "a view in front of a table",
    by: "owner",
    sql: "alter table audit.migrations rename to hidden; create view audit.migrations as select * from audit.hidden",
    caught: "guard-off",
  },

  // What nothing in the database can show.
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
    sql: "delete from receipts where actor_id = 'b'; delete from audit.receipt_history where agent = 'b'; delete from audit.chain_heads where agent = 'b'; delete from audit.history_heads where agent = 'b'",
    caught: { not: "nothing here knows of it any more; an anchor taken before shows it (`cut-off-tail`)" },
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
