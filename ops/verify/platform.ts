/** What a server brings, and no migration makes. By name: what is not here is a finding. */

interface Brought {
  key: RegExp;
  fact: RegExp;
}

/**
 * Roles of RDS; as its manual and its servers show them (believed: not every one is on every version). Its superuser, rdsadmin, is the
 * bootstrap role, which is known by its oid. None of the others is one.
 */
const rds =
  "rds_ad|rds_extension|rds_iam|rds_password|rds_replication|rds_reserved|rds_superuser|rdsadmin|rdsproxyadmin|rdsrepladmin|rdstopmgr|rdswriteforwarduser";
/** Those of them that RDS itself logs in as (believed). */
const logins = "rdsproxyadmin|rdstopmgr|rdswriteforwarduser";

const ofTheServer = "pg_execute_server_program|pg_read_server_files|pg_write_server_files";

const brought: readonly Brought[] = [
  // Somebody else can call a role of his so: those that RDS logs in as are named, and have no more than it gives them.
  { key: new RegExp(`^role (${rds})$`), fact: /^(?!.*\b(superuser|createrole|createdb|bypassrls|login)\b)/ },
  { key: new RegExp(`^role (${logins})$`), fact: /^inherit login$/ },
  // What a replica streams as: it reads files of the server and writes nothing.
  { key: /^role rdsrepladmin$/, fact: /^replication( inherit)?( login)?$/ },
  { key: new RegExp(`^membership of (${logins}) in pg_(monitor|checkpoint)$`), fact: /^/ },
  // Among those that nobody logs in as, in PostgreSQL's own roles, and of the owner in RDS' role for masters. Files and programs of the
  // server are for nobody: whoever has them writes past everything that is compared here.
  {
    key: new RegExp(`^membership of (?!(${logins}) )(${rds}) in (?!(${logins}|${ofTheServer})$)(${rds}|pg_\\w+)$`),
    fact: /^/,
  },
  { key: /^membership of authensor_owner in rds_superuser$/, fact: /^/ },
  { key: new RegExp(`^setting of (${rds})( in every database)?: `), fact: /^/ },
  // As dumps of 15 and 17 show it. Nothing of ours may be in it: the relation that is has another fact.
  {
    key: /^tablespace rds_temp_tablespace$/,
    fact: /^owner rds_superuser; location \/rdsdbdata\/tmp\/rds_temp_tablespace; everyone may CREATE$/,
  },
  // From PostgreSQL 16 on, whoever creates a role may pass it on, and no more. Before it everybody who creates roles may; what the owner
  // is told to be then (ops/migrate/ownerAdmin.ts) an upgrade carries over as it is. With either it could give itself the other.
  { key: /^membership of authensor_owner in authensor_\w+$/, fact: /^admin( noinherit noset)?$/ },

  // PostgreSQL 17 and later know it (audit.wanted_settings).
  { key: /^setting of authensor_(app|telemetry|monitor)(_b)?: transaction_timeout$/, fact: /^60s$/ },

  // The one extension that this deployment uses, with all that it makes.
  { key: /^extension pg_stat_statements$/, fact: /^schema public; owner (the server's superuser|authensor_owner)$/ },
  {
    key: /^member of extension pg_stat_statements: (function|view|type|rule _RETURN on view) public\.pg_stat_statements/,
    fact: /^/,
  },
  {
    key: /^function public\.pg_stat_statements\w*\(/,
    fact: /; language c; owner \w+; kind f; volatility v; parallel s; strict; library \$libdir\/pg_stat_statements; (everyone may EXECUTE|no one else|rds_superuser may EXECUTE \(and pass it on\)); /,
  },
];

export const mayBe = (key: string, fact: string): boolean =>
  brought.some((entry) => entry.key.test(key) && entry.fact.test(fact));

/** The extension's views, as its scripts make them: all columns of one of its functions, for everyone to read. */
const view = /^public\.pg_stat_statements(_info)?$/;
const inView: readonly Brought[] = [
  { key: /^relation$/, fact: /^kind v; owner [^;]+; persistence p; replica identity n; everyone may SELECT$/ },
  { key: /^column /, fact: /^(?!.*; )/ },
  {
    key: /^rule _RETURN$/,
    fact: /^CREATE RULE "_RETURN" AS\s+ON SELECT TO public\.(\w+) DO INSTEAD\s+SELECT (?:(?:\1\.)?\w+,\s+)*(?:\1\.)?\w+\s+FROM (?:public\.)?\1\((?:true)?\) \1\([\w, ]+\);; enabled O$/,
  },
];

/** @param unrelated what is in no relation */
export const mayBeRelation = (
  scope: string,
  things: ReadonlyMap<string, string>,
  unrelated: ReadonlyMap<string, string> | undefined,
): boolean =>
  view.test(scope) &&
  unrelated?.has(`member of extension pg_stat_statements: view ${scope}`) === true &&
  [...things].every(([key, fact]) => inView.some((entry) => entry.key.test(key) && entry.fact.test(fact)));
