/** The roles RDS makes, and what its master user may do: much, but it is no superuser. */
import { escapeIdentifier, escapeLiteral } from "pg";
import { scramVerifier } from "../../../postgres/scramVerifier";
import { replicationUser } from "./configuration";
import type { Server } from "./server";

export interface Master {
  username: string;
  password: string | undefined;
  dbName: string | undefined;
}

/** What RDS lets rds_superuser hand on, as far as this version of PostgreSQL has it. */
const handedOn = [
  "pg_monitor",
  "pg_read_all_settings",
  "pg_read_all_stats",
  "pg_stat_scan_tables",
  "pg_signal_backend",
  "pg_checkpoint",
  "pg_use_reserved_connections",
  "pg_create_subscription",
];

/** Makes the service's roles, the master user and its database. Can be run again. */
export async function makeRoles(server: Server, master: Master, replicationPassword: string): Promise<void> {
  const user = escapeIdentifier(master.username);
  await server.query(
    [
      ...["rds_superuser", "rds_replication", "rds_password", "rds_iam"].map((role) => ensureRole(role, "nologin")),
      ensureRole(replicationUser, "login replication"),
      `alter role ${replicationUser} password ${escapeLiteral(scramVerifier(replicationPassword))}`,
      `do $$
       declare predefined text;
       begin
         for predefined in select rolname from pg_roles where rolname in (${handedOn.map(escapeLiteral).join(", ")}) loop
           execute format('grant %I to rds_superuser with admin option', predefined);
         end loop;
       end $$`,
      `grant rds_replication, rds_password to rds_superuser with admin option`,
      ensureRole(master.username, "login createrole createdb"),
      `grant rds_superuser to ${user} with admin option`,
      `alter database postgres owner to ${user}`,
    ].join(";\n"),
  );
  if (master.password !== undefined) await setPassword(server, master.username, master.password);
  if (master.dbName !== undefined) await makeDatabase(server, master.dbName, user);
}

export async function setPassword(server: Server, role: string, password: string): Promise<void> {
  await server.query(`alter role ${escapeIdentifier(role)} password ${escapeLiteral(scramVerifier(password))}`);
}

async function makeDatabase(server: Server, name: string, owner: string): Promise<void> {
  const found = await server.query("select from pg_database where datname = $1", [name]);
  if (found.length === 0) await server.query(`create database ${escapeIdentifier(name)} owner ${owner}`);
  // RDS lets its master create what plain PostgreSQL leaves to superusers. This is the one that this platform needs.
  const extension = "create extension if not exists pg_stat_statements";
  const available = "select from pg_available_extensions where name = 'pg_stat_statements'";
  if ((await server.query(available, [], name)).length > 0) {
    await server.query(
      `${extension}; grant execute on function pg_stat_statements_reset to rds_superuser with grant option`,
      [],
      name,
    );
  }
}

const ensureRole = (role: string, options: string): string =>
  `do $$ begin
     create role ${escapeIdentifier(role)} ${options};
   exception when duplicate_object then null;
   end $$`;
