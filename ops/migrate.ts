/** Brings a database to this version: schema, what roles may be, partitions; checks the server against the configuration; then sets the roles' passwords. */
import type { Command } from "commander";
import { databaseUrl, withConnection } from "./database";
import { readExpectations } from "./expectations";
import { readMigrations } from "./migrate/files";
import { pendingMigrations, readLedger } from "./migrate/ledger";
import { awaitReplica, fence } from "./migrate/fence";
import { readPasswords, setPasswords } from "./migrate/passwords";
import { checkServer, type CheckOptions } from "./migrate/settle";
import { deploy } from "./migrate/up";
import { lockMaintenance } from "./maintenance/lock";
import { integerSetting, runProgram, type Context } from "./program";

const environment = `
Environment:
  DATABASE_URL           the owner's URL, straight to the primary: the lock does not hold through a pooler
  DATABASE_URL_FILE      a file with that URL, in its place
  MIGRATIONS_DIR         directory of the NNN_slug.sql files (default ./sql)
  ROLE_PASSWORDS_DIR     a file per login, named as the login, holding its password (default: passwords are left alone)
  PASSWORD_WAIT_SECONDS  how long to wait until nobody uses a login whose password is to change (default 180)
  EXPECTATIONS_FILE      JSON: {"parameters": {name: value, …}, "monthsAhead": 3, "connections": {role: 10, …}, "programs": [name, …], "ssl": true}
  PARAMETER_WAIT_SECONDS how long RDS may take to apply parameters that need no reboot (default 600)
  LOCK_WAIT_SECONDS      how long to wait for another run (default 300)
  LOCK_TIMEOUT_MS        how long one attempt may wait for a table in use (default 1000)
  LOCK_PATIENCE_SECONDS  how long to go on trying to get it (default 120)
  REPLICA_URL_FILE       for fence: a file with a URL of the replica (or REPLICA_URL); without it no replica is waited for
  FENCE_WAIT_SECONDS     how long the replica may take to have all (default 300)

Exit codes: 0 done, 1 failed, 2 wrong usage or settings.`;

interface Options {
  dryRun?: boolean;
}

const dir = () => process.env["MIGRATIONS_DIR"] ?? "./sql";

async function up(options: Options, { log, signal }: Context): Promise<void> {
  if (options.dryRun) return dryRun({ log, signal });
  const passwordsDir = process.env["ROLE_PASSWORDS_DIR"];
  const url = databaseUrl();
  // All that can be wrong with the settings shows before anything is touched.
  const expectations = readExpectations(process.env["EXPECTATIONS_FILE"]);
  const check = checkOptions({ log, signal });
  const passwords = passwordsDir ? readPasswords(passwordsDir) : undefined;
  const passwordWait = integerSetting("PASSWORD_WAIT_SECONDS", 180);
  const settings = {
    dir: dir(),
    log,
    signal,
    monthsAhead: expectations.monthsAhead,
    connections: expectations.connections,
    programs: expectations.programs,
    waitSeconds: integerSetting("LOCK_WAIT_SECONDS", 300),
    lockTimeoutMs: integerSetting("LOCK_TIMEOUT_MS", 1000),
    lockPatienceSeconds: integerSetting("LOCK_PATIENCE_SECONDS", 120),
  };
  const connection = { url, applicationName: "authensor-migrate", signal };
  await withConnection(connection, (client) => deploy(client, settings));
  // The lock is free again: whoever else changes the structure need not wait for RDS.
  await checkServer(expectations, check);
  // Last of all: the new passwords are those of logins that nobody uses yet, and a deployment that fails before has changed none.
  if (passwords)
    await withConnection(connection, async (client) => {
      await lockMaintenance(client, settings);
      await setPasswords(client, passwords, { url, log, signal, waitSeconds: passwordWait });
    });
}

function checkOptions({ log, signal }: Context): CheckOptions {
  return { url: databaseUrl(), log, signal, waitSeconds: integerSetting("PARAMETER_WAIT_SECONDS", 600) };
}

async function dryRun({ log, signal }: Context): Promise<void> {
  const migrations = readMigrations(dir());
  await withConnection({ applicationName: "authensor-migrate (dry run)", signal }, async (client) => {
    const pending = pendingMigrations(migrations, await readLedger(client));
    for (const { file } of pending) log.info("would apply", { file });
    log.info(pending.length === 0 ? "nothing to apply" : "nothing was changed", { pending: pending.length });
  });
}

async function close({ log, signal }: Context): Promise<void> {
  const { REPLICA_URL, REPLICA_URL_FILE } = process.env;
  const applicationName = "authensor-migrate (fence)";
  const settings = { log, signal, waitSeconds: integerSetting("FENCE_WAIT_SECONDS", 300) };
  await withConnection({ applicationName, signal }, async (primary) => {
    await fence(primary, log, signal);
    if (!REPLICA_URL && !REPLICA_URL_FILE) return;
    const url = databaseUrl({ DATABASE_URL: REPLICA_URL, DATABASE_URL_FILE: REPLICA_URL_FILE });
    await withConnection({ url, applicationName, signal }, (replica) => awaitReplica(primary, replica, settings));
  });
}

async function status({ log, signal }: Context): Promise<void> {
  const migrations = readMigrations(dir());
  await withConnection({ applicationName: "authensor-migrate (status)", signal }, async (client) => {
    const ledger = await readLedger(client);
    for (const { number, slug, applied_at, applied_by, duration_ms } of ledger)
      log.info("applied", { number, slug, at: applied_at.toISOString(), by: applied_by, durationMs: duration_ms });
    const pending = pendingMigrations(migrations, ledger);
    for (const { number, slug } of pending) log.info("pending", { number, slug });
    log.info("status", { applied: ledger.length, pending: pending.length });
  });
}

void runProgram("migrate", "Brings the database to this version and checks it.", (command: Command, context) => {
  command.addHelpText("after", environment);
  command
    .command("up", { isDefault: true })
    .description("apply what is pending, repair roles, make partitions, check the server, set passwords")
    .option("--dry-run", "say what would be applied, change nothing")
    .action((options: Options) => up(options, context));
  command
    .command("fence")
    .description("close the primary to whoever writes, and wait until the replica has all; up opens it again")
    .action(() => close(context));
  command
    .command("status")
    .description("list what is applied and what is pending")
    .action(() => status(context));
  command
    .command("check")
    .description("only check the server against the configuration")
    .action(() => checkServer(readExpectations(process.env["EXPECTATIONS_FILE"]), checkOptions(context)));
});
