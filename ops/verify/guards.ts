/**
 * Whether what guards the trail is in place, as the migrations made it: what it guards may be whole today and open to anything
 * tomorrow, and what a broken guard let in leaves no broken link behind.
 */
import type pg from "pg";
import { createdRoles, roles } from "../roles";
import { fingerprints } from "./fingerprints";
import type { Finding } from "./findings";

/** The triggers of `receipts` and nothing else: timing and event as pg_trigger.tgtype, one for each row or statement. */
const triggers = [
  { name: "seal", calls: "seal_receipt", type: 7, eachPartition: true }, // before insert, row
  { name: "check_change", calls: "check_change", type: 19, eachPartition: true }, // before update, row
  { name: "record_changes", calls: "record_changes", type: 16, eachPartition: false }, // after update, statement
];

const tables = [
  "public.receipts",
  "audit.receipt_history",
  "audit.chain_heads",
  "audit.history_heads",
  "audit.checkpoints",
];

/** Columns without which a row proves nothing. */
const sealed = {
  "public.receipts": [
    "id",
    "created_at",
    "status",
    "decision_outcome",
    "envelope",
    "decision",
    "receipt_hash",
    "chain_seq",
    "chain_seal",
    "sealed_at",
  ],
  "audit.receipt_history": ["agent", "seq", "receipt_id", "receipt_created_at", "before", "after", "seal"],
};

/**
 * What fingerprints are made of: the guarding functions that are in PL/pgSQL. One in SQL that is altered makes seals that do not
 * follow. All of a name count, in whatever language: a second one that fits a partition's rows better would be called instead.
 */
export const fingerprintQuery = `
  select p.proname as name,
         string_agg(encode(sha256(textsend(concat_ws(E'\\n', p.prosrc, p.prosecdef, p.proconfig::text, p.provolatile))), 'hex'), ' ' order by p.oid) as fingerprint
    from pg_proc p
   where p.pronamespace = 'audit'::regnamespace
     and p.proname in ('seal_receipt', 'commit_durably', 'check_identity', 'check_state', 'record_birth', 'append_history', 'check_change', 'approval_problem', 'record_changes')
   group by p.proname
   order by 1`;

export async function guardFindings(client: pg.Client): Promise<Finding[]> {
  const ask = async <T extends pg.QueryResultRow>(sql: string, parameters: unknown[] = []) =>
    (await client.query<T>(sql, parameters)).rows;

  const missing = await ask<{ relation: string; name: string }>(
    `select t.relid::text as relation, g.name
       from pg_partition_tree('public.receipts') t
      cross join jsonb_to_recordset($1::jsonb) g (name text, calls text, type int2, "eachPartition" bool)
      where (g."eachPartition" or t.relid = 'public.receipts'::regclass)
        and not exists (
          select from pg_trigger p join pg_proc f on f.oid = p.tgfoid and f.pronamespace = 'audit'::regnamespace
           where p.tgrelid = t.relid and p.tgname = g.name and p.tgenabled in ('O', 'A') and p.tgtype = g.type
             and p.tgqual is null and p.tgattr = '' and f.proname = g.calls)`,
    [JSON.stringify(triggers)],
  );
  const foreign = await ask<{ relation: string; name: string }>(
    `with guarded as (
       select root as relid from unnest($1::regclass[]) root
       union select relid from unnest($1::regclass[]) root, pg_partition_tree(root))
     select g.relid::text as relation, 'trigger ' || t.tgname as name
       from guarded g join pg_trigger t on t.tgrelid = g.relid
      where not t.tgisinternal and not (t.tgname = any ($2::text[]) and g.relid in (select relid from pg_partition_tree('public.receipts')))
     union all
     select g.relid::text, 'rule ' || r.rulename from guarded g join pg_rewrite r on r.ev_class = g.relid
     union all
     select g.relid::text, 'row security' from guarded g join pg_class c on c.oid = g.relid where c.relrowsecurity`,
    [tables, triggers.map(({ name }) => name)],
  );
  const nullable = await ask<{ relation: string; name: string }>(
    `select t.relid::text as relation, a.attname as name
       from jsonb_each($1::jsonb) s
      cross join pg_partition_tree(s.key::regclass) t
       join pg_attribute a on a.attrelid = t.relid and not a.attnotnull and s.value ? a.attname::text`,
    [JSON.stringify(sealed)],
  );
  // Not asked of the owner, whom nothing in its own database can bind.
  const rights = await ask<{ relation: string; role: string; name: string }>(
    `select g.relid::text as relation, role, privilege as name
       from (select root from unnest($1::regclass[]) root
             union select relid from unnest($1::regclass[]) root, pg_partition_tree(root)) g (relid), unnest($2::text[]) role,
            unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) privilege
      where has_table_privilege(role, g.relid, privilege)
        and not (role = $3 and g.relid = 'public.receipts'::regclass and privilege = 'INSERT')
     union all
     select 'public.receipts', role, 'UPDATE of ' || column_name
       from unnest($2::text[]) role,
            unnest(array['id', 'envelope_id', 'decision_outcome', 'tool_name', 'actor_id', 'envelope', 'decision', 'created_at',
                         'receipt_hash', 'prev_receipt_hash', 'parent_receipt_id', 'chain_seq', 'chain_seal', 'sealed_at']) column_name
      where has_column_privilege(role, 'public.receipts', column_name, 'UPDATE')`,
    [tables, [...createdRoles], roles.app],
  );
  const now = new Map(
    (await ask<{ name: string; fingerprint: string }>(fingerprintQuery)).map((row) => [row.name, row.fingerprint]),
  );

  const off = (message: string): Finding => ({ kind: "guard-off", message });
  return [
    ...missing.map(({ relation, name }) =>
      off(`trigger ${name} on ${relation} is missing, switched off or altered: what is written there is not guarded`),
    ),
    ...foreign.map(({ relation, name }) =>
      off(`${relation} has a ${name} that no migration made: it can keep rows out or change them`),
    ),
    ...nullable.map(({ relation, name }) => off(`${relation}.${name} may be null: a row without it proves nothing`)),
    ...rights.map(({ relation, role, name }) =>
      off(`${role} has ${name} on ${relation}, which its work does not need`),
    ),
    ...Object.entries(fingerprints)
      .filter(([name, fingerprint]) => now.get(name) !== fingerprint)
      .map(([name]) =>
        off(`function audit.${name} is ${now.has(name) ? "not the one this program was released with" : "gone"}`),
      ),
  ];
}
