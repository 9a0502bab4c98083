/** The files a server reads: what the parameter group asks for, what the service sets itself, and who may come in how. */
import { userInfo } from "node:os";
import { join } from "node:path";
import type { ServiceUser } from "../../host/user";
import type { Settings } from "./parameters";

/** RDS' own superuser: nobody can log in as it over the network. */
export const superuser = "rdsadmin";

/** RDS' user for replicas. */
export const replicationUser = "rdsrepladmin";

/** A server's files, as it reads them at its start and at a reload. */
export interface Configuration {
  /** postgresql.conf */
  parameters: string;
  /** pg_hba.conf */
  rules: string;
  /** server.crt */
  certificate: string;
}

export interface Place {
  directory: string;
  socketDirectory: string;
  port: number;
}

const heading = "# Written by the local cloud: changes are lost.\n";

/** What the service sets itself, whatever a parameter group says. */
export function serviceParameters(place: Place) {
  const { directory } = place;
  return {
    listen_addresses: "localhost",
    port: String(place.port),
    unix_socket_directories: place.socketDirectory,
    unix_socket_permissions: "0700",
    hba_file: join(directory, "pg_hba.conf"),
    ident_file: join(directory, "pg_ident.conf"),
    ssl: "on",
    ssl_cert_file: join(directory, "server.crt"),
    ssl_key_file: join(directory, "server.key"),
    password_encryption: "scram-sha-256",
    hot_standby: "on",
    archive_mode: "off", // on where the instance has backups
    fsync: "on",
    full_page_writes: "on",
    wal_retrieve_retry_interval: "500ms", // a standby is back soon after its source, not 5 s later
    logging_collector: "off",
  };
}

/** A postgresql.conf. What the service sets comes last, so that it holds; `more` is what a standby and one with backups have besides. */
export function parametersFile(place: Place, settings: Settings, more: Record<string, string> = {}): string {
  return fileOf({ ...settings.values, ...serviceParameters(place), ...more });
}

const fileOf = (values: Record<string, string>): string =>
  heading +
  Object.entries(values)
    .map(([name, value]) => line({ name, value }))
    .join("");

/** One line of a postgresql.conf. */
export const line = ({ name, value }: { name: string; value: string }): string =>
  `${name} = '${value.replaceAll("'", "''")}'\n`;

/** What a postgresql.conf written by `parametersFile` says. */
export function valuesIn(file: string): Record<string, string> {
  const lines = file.matchAll(/^(\S+) = '(.*)'$/gm);
  return Object.fromEntries([...lines].map(([, name = "", value = ""]) => [name, value.replaceAll("''", "'")]));
}

/** What a server has in force that was told to read `after`, but takes these parameters only when it starts. */
export function keeping(names: readonly string[], before: Configuration, after: Configuration): Configuration {
  const kept = valuesIn(before.parameters);
  const values = Object.entries(valuesIn(after.parameters)).filter(([name]) => !names.includes(name));
  const old = names.flatMap((name) => (kept[name] === undefined ? [] : [[name, kept[name]] as const]));
  return { ...after, parameters: fileOf(Object.fromEntries([...values, ...old])) };
}

/** The parameters, and the names of the other files, in which two configurations differ. */
export function differences(before: Configuration, after: Configuration): string[] {
  const [from, to] = [valuesIn(before.parameters), valuesIn(after.parameters)];
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((name) => from[name] !== to[name]);
  return [
    ...names,
    ...(before.rules === after.rules ? [] : ["pg_hba.conf"]),
    ...(before.certificate === after.certificate ? [] : ["certificate"]),
  ];
}

/**
 * Who may connect how. The service comes over the socket as the operating system's user; everybody else over TCP with a
 * password, in plain text only if the parameter group allows it; replicas never so.
 */
export function clientRules(forceSsl: boolean): string {
  const host = forceSsl ? "hostssl" : "host";
  return `${heading}local   all,replication  ${superuser}  peer map=service
hostssl replication ${replicationUser}  all  scram-sha-256
host    all         ${superuser},${replicationUser}  all  reject
${host} all         all  all  scram-sha-256
`;
}

export function identities(user: ServiceUser | undefined): string {
  const names = new Set(["root", user?.name ?? userInfo().username]);
  return [...names].map((name) => `service "${name}" ${superuser}\n`).join("");
}
