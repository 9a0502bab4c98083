import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createdRoles, roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";

let server: TestPostgres;
let database: TestDatabase;
let admin: pg.Client;
const clients = new Map<string, pg.Client>();

beforeAll(async () => {
  server = await startPostgres({ parameters: { temp_file_limit: "8MB" } });
  database = await server.createDatabase({ migrated: true });
  admin = await database.connect();
  for (const role of createdRoles) clients.set(role, await database.connect(role));
  const app = clients.get(roles.app);
  for (const sql of controlPlane) await app?.query(sql);
});
afterAll(() => server.stop());

/** Runs a statement as a role, and undoes it. Settles to "ok" or the SQLSTATE of the error. */
async function attempt(role: string, sql: string): Promise<string> {
  const client = clients.get(role);
  if (!client) throw new Error(`no client for ${role}`);
  await client.query("begin");
  try {
    await client.query(sql);
    return "ok";
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? "?") : String(error);
  } finally {
    await client.query("rollback");
  }
}

const id = "00000000-0000-4000-8000-000000000001";
const key = "00000000-0000-4000-8000-000000000002";
const insertReceipt = `insert into receipts (id, envelope_id, parent_receipt_id, status, decision_outcome, tool_name, actor_id, envelope, decision, approval, approval_status,
                       execution_attempts, receipt_hash, prev_receipt_hash, created_at, updated_at)
  values ('${id}', '${id}', null, 'pending', 'require_approval', 'http', 'agent', '{}', '{}',
          '{"status": "pending", "expiresAt": "2001-01-01T00:00:00.000Z"}', 'pending', 0, 'h', null, now(), now()) returning *`;

describe.each(createdRoles)("%s", (role) => {
  it("cannot fill the disk by sorting: the server's limit holds, whatever the session sets", async () => {
    const sort = "select count(*) from (select g from generate_series(1, 1000000) g order by -g offset 0) t";
    expect(await attempt(role, `set local work_mem = '64kB'; ${sort}`)).toBe("53400");
    expect(await attempt(role, "set local temp_file_limit = -1")).toBe("42501");
  });
});

/** The statements the unmodified control plane sends (AUTHENSOR/AUTHENSOR, packages/control-plane/src, commit 55f328e). */
const controlPlane = [
  "select count(*) as count from api_keys",
  `insert into api_keys (id, name, role, key_hash, key_prefix, created_at) values ('${key}', 'n', 'admin', 'hash', 'p', now()) on conflict do nothing`,
  `insert into api_keys (id, name, role, key_hash, key_prefix, created_at) values ('${randomUUID()}', 'n', 'ingest', 'hash2', 'p', now()) returning id, name, role, key_prefix, created_at`,
  "select * from api_keys where key_hash = 'hash'",
  `update api_keys set last_used_at = now() where id = '${key}'`,
  `update api_keys set revoked_at = now() where id = '${key}' and revoked_at is null`,
  `update api_keys set principal_id = 'agent' where id = '${key}'`,
  "insert into policies (org_id, environment, policy_id, version, policy, is_active) values ('default', 'dev', 'p', '1', '{}', false) on conflict (org_id, environment, policy_id, version) do update set policy = excluded.policy",
  "insert into active_policies (org_id, environment, policy_id, version, activated_at) values ('default', 'dev', 'p', '1', now()) on conflict (org_id, environment) do update set policy_id = excluded.policy_id, version = excluded.version, activated_at = now()",
  "update policies set is_active = (policy_id = 'p' and version = '1') where org_id = 'default' and environment = 'dev'",
  "select * from controls where id = 1",
  "update controls set disable_execution = false, disable_http = false, disable_github = false, disable_stripe = false, updated_at = now() where id = 1 returning *",
  "select receipt_hash from receipts where receipt_hash is not null order by created_at desc limit 1",
  insertReceipt,
  "select * from receipts where status = 'pending' and actor_id = 'agent' and tool_name = 'http' and decision_outcome = 'allow' order by created_at desc limit 50 offset 0",
  `select * from receipts where id = '${id}'`,
  `select * from receipts where parent_receipt_id = '${id}'`,
  "select * from receipts order by created_at asc limit 10000",
  `insert into claim_events (id, receipt_id, event) values ('${randomUUID()}', '${id}', 'attempt')`,
  `insert into approval_responses (id, receipt_id, responder_type, responder_id, responder_name, decision, comment) values ('${randomUUID()}', '${id}', 'user', 'u', 'n', 'approve', null)`,
  `select * from approval_responses where receipt_id = '${id}' order by created_at asc`,
  `update receipts set claim_id = '${id}', claimed_at = now(), claim_expires_at = now() + interval '30 s', updated_at = now()
     where id = '${id}' and status = 'pending' and (claim_id is null or claim_expires_at < now()) returning *`,
  `update receipts set rekor_entry_id = 'r', updated_at = now() where id = '${id}'`,
  `update receipts set status = 'cancelled', approval_status = 'expired',
          approval = approval || jsonb_build_object('status', 'expired', 'expiredAt', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), updated_at = now()
    where decision_outcome = 'require_approval' and status = 'pending' and approval_status = 'pending'
      and approval->>'expiresAt' is not null and (approval->>'expiresAt')::timestamptz <= now()`,
  `insert into aegis_scans (id, receipt_id, content_hash, safe, threat_level, detections, detector_stats, scan_time_ms, mode, scan_target, tool_name) values ('${randomUUID()}', '${id}', 'h', true, 'none', '[]', '{}', 1.5, 'block', 'output', 't')`,
  "select id, receipt_id, safe, threat_level, detections, scan_time_ms, mode, created_at from aegis_scans where safe = false order by created_at desc limit 50",
  `insert into sentinel_alerts (id, rule_id, rule_name, severity, status, metric, current_value, threshold, agent_id, message, triggered_at) values ('${randomUUID()}', 'r', 'n', 'high', 'active', 'm', 1, 2, null, 'm', now()) on conflict (id) do nothing`,
  "select * from sentinel_alerts where status = 'active' order by triggered_at desc limit 50",
  "update sentinel_alerts set status = 'acknowledged', acknowledged_at = now() where status = 'active'",
  `insert into shadow_evaluations (id, receipt_id, active_policy_id, active_policy_version, active_decision, active_matched_rule, active_reason, shadow_policy_id, shadow_policy_version, shadow_decision, shadow_matched_rule, shadow_reason, decisions_agree)
     values ('${randomUUID()}', '${id}', 'p', '1', 'allow', null, null, 'p', '2', 'deny', null, null, false) returning *`,
  "select count(*) as total, shadow_policy_id from shadow_evaluations where created_at >= '2020-01-01'::timestamptz group by shadow_policy_id order by total desc limit 1",
  "insert into budgets (principal_id, budget_amount, currency, period, scope, scope_key, reset_at) values ('p', 1, 'USD', 'daily', 'principal', null, now()) on conflict (principal_id, period, scope) do update set budget_amount = 2, currency = 'EUR', updated_at = now() returning *",
  "update budgets set spent_amount = spent_amount + 1, updated_at = now() where principal_id = 'p' returning *",
  "update budgets set spent_amount = 0, reset_at = now(), updated_at = now() where principal_id = 'p' returning *",
  `insert into budget_ledger (budget_id, envelope_id, principal_id, action_type, amount, running_total) values ('${id}', 'e', 'p', 'a', 1, 1)`,
  "select * from budget_ledger where principal_id = 'p' order by created_at desc limit 10 offset 0",
  `delete from budget_ledger where budget_id = '${id}'`,
  `delete from budgets where id = '${id}'`,
  "select event, count(*)::int as count from claim_events where created_at >= now() - interval '24 hour' group by event",
  "select exists (select 1 from information_schema.columns where table_name = 'receipts' and column_name in ('org_id', 'environment')) as exists",
];

const denied = "42501";
const readOnly = "25006";

describe("the control plane's role can", () => {
  // Each was run once, in order, to get here; what they found must have been there.
  it("send every statement that the unmodified control plane sends, and they have their effect", async () => {
    const app = await database.connect(roles.app);
    const { rows } = await app.query(
      "select status, approval_status, claim_id, rekor_entry_id from receipts where id = $1",
      [id],
    );
    expect(rows).toEqual([{ status: "cancelled", approval_status: "expired", claim_id: id, rekor_entry_id: "r" }]);
    for (const table of [
      "claim_events",
      "aegis_scans",
      "sentinel_alerts",
      "shadow_evaluations",
      "budgets",
      "approval_responses",
      "policies",
      "active_policies",
      "controls",
    ])
      expect((await app.query(`select from ${table}`)).rowCount, table).toBe(1);
    expect(
      (
        await app.query(
          "select from api_keys where last_used_at is not null and revoked_at is not null and principal_id = 'agent'",
        )
      ).rowCount,
    ).toBe(1);
  });
});

describe("the control plane's role cannot", () => {
  const immutable = [
    "id",
    "envelope_id",
    "decision_outcome",
    "tool_name",
    "actor_id",
    "envelope",
    "decision",
    "created_at",
    "receipt_hash",
    "prev_receipt_hash",
    "parent_receipt_id",
  ];
  it.each(immutable)("update a receipt's %s", async (column) => {
    expect(await attempt(roles.app, `update receipts set ${column} = ${column}`)).toBe(denied);
  });

  it("update any column of a receipt but those that AUTHENSOR.md names", async () => {
    const mutable = [
      "status",
      "approval",
      "approval_status",
      "execution",
      "result",
      "error",
      "claim_id",
      "claimed_at",
      "claim_expires_at",
      "execution_attempts",
      "updated_at",
      "rekor_entry_id",
    ];
    const { rows } = await admin.query<{ column: string }>(
      "select attname::text as column from pg_attribute where attrelid = 'receipts'::regclass and attnum > 0 and not attisdropped and has_column_privilege($1, attrelid, attnum, 'update')",
      [roles.app],
    );
    expect(rows.map(({ column }) => column).sort()).toEqual(mutable.sort());
  });

  it.each<[string, string]>([
    ["delete a receipt", "delete from receipts"],
    ["delete one by its id", `delete from receipts where id = '${id}'`],
    [
      "delete one by merging",
      `merge into receipts r using (values (1)) v (n) on r.id = '${id}' when matched then delete`,
    ],
    ["empty the receipts", "truncate receipts"],
    ["empty a log", "truncate claim_events"],
    ["delete what was scanned", "delete from aegis_scans"],
    ["change what was scanned", "update aegis_scans set safe = true"],
    ["delete a claim", "delete from claim_events"],
    ["delete or change a response to an approval", "delete from approval_responses"],
    ["change a response to an approval", "update approval_responses set decision = 'reject'"],
    ["delete a policy", "delete from policies"],
    ["delete an API key", "delete from api_keys"],
    ["give an API key another hash", "update api_keys set key_hash = 'mine'"],
    ["make an API key an admin's", "update api_keys set role = 'admin'"],
    ["remove the kill switches", "delete from controls"],
    ["add to the kill switches", "insert into controls (id) values (2)"],
    ["change a budget's ledger", "update budget_ledger set amount = 0"],
    ["delete an alert", "delete from sentinel_alerts"],
    ["create a table", "create table mine ()"],
    ["create a temporary table", "create temporary table mine ()"],
    ["create a schema", "create schema mine"],
    ["create a function", "create function mine() returns int language sql return 1"],
    ["create a table beside ours", "create table audit.mine ()"],
    ["alter a table", "alter table receipts add column mine int"],
    ["drop a table", "drop table receipts"],
    ["create an index", "create index on receipts (tool_name)"],
    ["switch triggers off", "alter table receipts disable trigger all"],
    ["switch triggers off for its session", "set session_replication_role = replica"],
    ["take a lock that stops everyone", "lock table receipts in access exclusive mode"],
    ["make or detach partitions", "select audit.detach_month('receipts', '2026-11-01')"],
    ["read the ledger of migrations", "select * from audit.migrations"],
    ["rewrite the ledger of migrations", "update audit.migrations set sha256 = ''"],
    ["read password hashes", "select rolpassword from pg_authid"],
    ["read password hashes by their other name", "select passwd from pg_shadow"],
    ["read the server's files", "select pg_read_file('postgresql.conf')"],
    ["run a program", "copy receipts to program 'cat'"],
    ["write a file on the server", "copy receipts to '/tmp/receipts'"],
    ["become the owner", "set role authensor_owner"],
    ["become another role", "set role authensor_auditor"],
    ["create a role", "create role mine"],
    ["give itself a power", "alter role authensor_app createrole"],
    ["set another's password", "alter role authensor_owner password 'mine'"],
    ["grant what it has", "grant select on receipts to authensor_telemetry with grant option"],
    [
      "end another's session",
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authensor_owner'",
    ],
  ])("%s", async (_name, sql) => {
    const outcome = await attempt(roles.app, sql);
    // GRANT without the right to warns and grants nothing; no session of the owner's is there to be ended.
    if (/^grant|terminate/.test(sql)) expect(await grantees()).toEqual(before);
    else expect(outcome).toBe(denied);
  });

  let before: unknown;
  beforeEach(async () => {
    before = await grantees();
  });
  const grantees = async (): Promise<unknown> =>
    (
      await admin.query<Record<string, string>>(
        "select grantee, table_name, privilege_type from information_schema.role_table_grants order by 1, 2, 3",
      )
    ).rows;

  it.each(["select", "insert", "update", "delete", "truncate"])(
    "reach a partition around its table by %s",
    async (privilege) => {
      const { rows } = await admin.query<{ table: string }>(
        `select c.oid::regclass::text as table from pg_class c, unnest($1::text[]) r (role)
        where c.relispartition and c.relkind = 'r' and (has_table_privilege(role, c.oid, $2) or $2 in ('select', 'insert', 'update') and has_any_column_privilege(role, c.oid, $2))`,
        [[...createdRoles], privilege],
      );
      // pg_monitor reads statistics, not tables; nobody has anything on a partition.
      expect(rows).toEqual([]);
    },
  );
});

describe("the maintenance role", () => {
  const granted = [
    ...["begin_maintenance", "drain_apply", "drain_copy", "drain_finish", "drain_release", "drain_start", "make_month"],
    "repair_roles",
    "retire_month",
  ];

  it("may call what makes partitions and what takes an archived month out, alone of all roles", async () => {
    const { rows } = await admin.query<{ role: string; function: string }>(
      `select r.role, p.proname as function from pg_proc p, unnest($1::text[]) r (role)
        where p.proname = any ($2) and has_function_privilege(r.role, p.oid, 'execute') order by 2`,
      [[...createdRoles], granted],
    );
    expect(rows).toEqual(granted.map((name) => ({ role: roles.maintenance, function: name })));
  });

  it("is given nothing else that only the owner has: every function of ours that changes something is on that list", async () => {
    const { rows } = await admin.query<{ function: string }>(
      `select p.proname as function from pg_proc p
        where p.pronamespace = 'audit'::regnamespace and p.provolatile = 'v'
          and has_function_privilege($1, p.oid, 'execute') order by 1`,
      [roles.maintenance],
    );
    // The monitor reports its runs too.
    expect(rows.map((row) => row.function)).toEqual([...granted, "report_run"].sort());
  });

  it("has no right on any table, view or column but the list of partitions", async () => {
    const { rows } = await admin.query(
      `select c.oid::regclass::text as relation from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'audit'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
          and (has_table_privilege($1, c.oid, 'select, insert, update, delete, truncate, references, trigger')
               or has_any_column_privilege($1, c.oid, 'select, insert, update, references'))`,
      [roles.maintenance],
    );
    expect(rows).toEqual([{ relation: "partitions" }]);
  });

  it.each<[string, string]>([
    ["read a receipt", "select * from receipts"],
    ["count them", "select count(*) from receipts"],
    ["read one in its partition", "select * from receipts_future"],
    ["read what changed", "select * from audit.receipt_history"],
    ["find or search one", `select * from audit.find_receipt('${id}')`],
    ["read where the chains end", "select * from audit.chain_heads"],
    ["write a receipt", insertReceipt],
    ["read an API key", "select * from api_keys"],
    ["change the kill switches", "update controls set disable_execution = true"],
    ["change another's role", "alter role authensor_app createrole"],
    ["raise its own limits", "alter role authensor_maintenance connection limit 50"],
    ["become the owner", "set role authensor_owner"],
    ["create a role", "create role mine"],
    ["drop a table", "drop table receipts"],
    ["drop a partition", "drop table receipts_past"],
    ["empty a table", "truncate receipts_future"],
    ["detach a month", "select audit.detach_month('receipts', '2026-11-01')"],
    ["detach a partition by the helper", "select audit.detach_partition('receipts', 'receipts_past')"],
    ["detach a partition itself", "alter table receipts detach partition receipts_past"],
    ["archive a month", "select audit.archive_month('2026-11-01')"],
    ["create a table", "create table mine ()"],
    ["create a temporary table", "create temporary table mine ()"],
    ["write the list of what a drain copies", "insert into audit.drain_targets values ('receipts', 'api_keys', now())"],
    ["lock a table", "lock table receipts in access share mode"],
    ["read the ledger of migrations", "select * from audit.migrations"],
    ["end another's session", "select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user"],
  ])("cannot %s", async (_name, sql) => {
    expect(await attempt(roles.maintenance, sql)).toBe(denied);
  });

  it.each<[string, string, string]>([
    ["a table that is not monthly", "select audit.make_month('controls', '2026-12-01')", "42809"],
    ["a system table", "select audit.drain_start('pg_catalog.pg_authid', 1)", "42809"],
    ["a thousand months", "select audit.drain_start('receipts', 1000)", "22023"],
    ["a table that no drain made, to copy into", "select audit.drain_copy('api_keys')", "P0002"],
  ])("is refused by its functions: %s", async (_name, sql, code) => {
    expect(await attempt(roles.maintenance, sql)).toBe(code);
  });

  it("cannot swap in tables that the rows were not copied into", async () => {
    expect(
      await attempt(
        roles.maintenance,
        "select audit.drain_start('receipts', 1); select audit.drain_finish('receipts')",
      ),
    ).toBe("55000");
  });

  it("gets no further than its share of the connections", async () => {
    const others = await Promise.all([database.connect(roles.maintenance), database.connect(roles.maintenance)]);
    await expect(database.connect(roles.maintenance)).rejects.toMatchObject({ code: "53300" });
    await Promise.all(others.map((client) => client.end()));
  });

  it("runs nothing of a monthly table that another role made", async () => {
    await admin.query(`create role stranger; grant usage, create on schema public to stranger; set role stranger;
      create table trap (at timestamptz not null, primary key (at)) partition by range (at);
      create table trap_future partition of trap for values from ('2026-11-01') to (maxvalue); reset role`);
    expect(await attempt(roles.maintenance, "select audit.make_month('trap', '2026-11-01')")).toBe("42809");
    expect(await attempt(roles.maintenance, "select * from audit.missing_months(3)")).toBe("ok");
    await admin.query("drop table trap; drop owned by stranger; drop role stranger");
  });
});

describe.each([roles.auditor, roles.verifier, roles.archiver])("%s", (role) => {
  it.each([
    "receipts",
    "claim_events",
    "approval_responses",
    "aegis_scans",
    "sentinel_agent_snapshots",
    "sentinel_alerts",
    "shadow_evaluations",
    "policies",
    "active_policies",
    "controls",
    "budgets",
    "budget_ledger",
    "audit.migrations",
  ])("reads %s and can write nothing in it", async (table) => {
    expect(await attempt(role, `select * from ${table}`)).toBe("ok");
    expect([readOnly, denied]).toContain(await attempt(role, `delete from ${table}`));
    // Read-only by setting is a courtesy it could switch off; the privileges are not.
    expect(await attempt(role, `set transaction read write; delete from ${table}`)).toBe(denied);
    expect(await attempt(role, `set transaction read write; truncate ${table}`)).toBe(denied);
  });

  const who = role === roles.archiver ? "their hashes, which a restored server needs" : "no key's hash";
  it(`reads which API keys there are, and ${who}`, async () => {
    expect(
      await attempt(
        role,
        "select id, name, role, created_at, revoked_at, last_used_at, key_prefix, principal_id from api_keys",
      ),
    ).toBe("ok");
    const hashes = role === roles.archiver ? "ok" : denied;
    expect(await attempt(role, "select key_hash from api_keys")).toBe(hashes);
    expect(await attempt(role, "select * from api_keys")).toBe(hashes);
    expect(await attempt(role, "select count(*) from api_keys where key_hash = 'hash'")).toBe(hashes);
  });
});

describe("the monitor", () => {
  it("reads the server's statistics and which partitions there are", async () => {
    for (const sql of [
      "select * from pg_stat_activity",
      "select * from pg_stat_replication",
      "select * from audit.partitions",
      "select pg_database_size(current_database())",
      "show data_directory",
    ])
      expect(await attempt(roles.monitor, sql), sql).toBe("ok");
  });
  it.each(["receipts", "api_keys", "policies", "audit.migrations"])("reads nothing in %s", async (table) => {
    expect(await attempt(roles.monitor, `select * from ${table}`)).toBe(denied);
  });
});

describe("the telemetry role", () => {
  it.each(["receipts", "api_keys", "policies", "controls", "budgets", "claim_events", "audit.migrations"])(
    "neither reads nor writes %s",
    async (table) => {
      expect(await attempt(roles.telemetry, `select * from ${table}`)).toBe(denied);
      expect(await attempt(roles.telemetry, `insert into ${table} default values`)).toBe(denied);
      expect(await attempt(roles.telemetry, `delete from ${table}`)).toBe(denied);
    },
  );
});

describe("every role", () => {
  it.each([
    [roles.app, { synchronous_commit: "on", idle_in_transaction_session_timeout: "10s", lock_timeout: "2s" }],
    [roles.telemetry, { synchronous_commit: "off", idle_in_transaction_session_timeout: "10s" }],
    [roles.monitor, { statement_timeout: "10s" }],
    [roles.auditor, { default_transaction_read_only: "on", statement_timeout: "15min" }],
    [roles.verifier, { default_transaction_read_only: "on", statement_timeout: "15min" }],
    [roles.archiver, { default_transaction_read_only: "on", statement_timeout: "15min" }],
  ])("%s has its settings in each new session", async (role, settings) => {
    const client = await database.connect(role);
    for (const [name, value] of Object.entries({ ...settings, search_path: "public, audit" }))
      expect((await client.query<Record<string, string>>(`show ${name}`)).rows, name).toEqual([{ [name]: value }]);
  });

  it("connects to this database, which nobody else may", async () => {
    await admin.query("create role stranger login");
    await expect(database.connect("stranger")).rejects.toMatchObject({ code: denied });
    await admin.query("drop role stranger");
  });

  it.each(createdRoles)(
    "%s has no power over the server and is a member of nothing but what it needs",
    async (role) => {
      const { rows } = await admin.query(
        `select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as power,
              array(select roleid::regrole::text from pg_auth_members where member = r.oid) as member_of from pg_roles r where rolname = $1`,
        [role],
      );
      const groups: Partial<Record<string, string>> = {
        [roles.monitor]: "pg_monitor",
        [roles.verifier]: roles.auditor,
        [roles.archiver]: roles.auditor,
      };
      expect(rows).toEqual([{ power: false, member_of: [groups[role] ?? []].flat() }]);
    },
  );

  it("may call no function of ours that reads or writes, but those it was given", async () => {
    const { rows } = await admin.query<{ function: string }>(
      `select p.oid::regprocedure::text as function from pg_proc p
        where p.pronamespace in ('audit'::regnamespace, 'public'::regnamespace) and has_function_privilege('public', p.oid, 'execute')
          -- One that computes from its arguments alone tells and changes nothing.
          and p.provolatile <> 'i'`,
    );
    expect(rows).toEqual([]);
    for (const name of [
      "create_partition",
      "attach_partition",
      "detach_partition",
      "drain_cancel",
      "detach_month",
      "prepare_detach",
      "finish_detach",
      "archive_month",
      "checkpoint",
      "partition_by_month",
    ])
      for (const role of createdRoles)
        expect(
          (
            await admin.query("select from pg_proc where proname = $1 and has_function_privilege($2, oid, 'execute')", [
              name,
              role,
            ])
          ).rowCount,
          `${role} ${name}`,
        ).toBe(0);
  });

  it("finds pg_temp last in the search path of every function that runs as its owner, or sets a path at all", async () => {
    // An empty path searches pg_temp first: a type that the caller made there is taken for a built-in one.
    const { rows } = await admin.query(
      `select oid::regprocedure::text from pg_proc, unnest(coalesce(proconfig, '{none}')) setting
        where pronamespace in ('audit'::regnamespace, 'public'::regnamespace)
          and (prosecdef and not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)
               or setting ~ '^search_path=' and setting <> 'search_path=pg_catalog, pg_temp')`,
    );
    expect(rows).toEqual([]);
  });
});
