import { describe, expect, test } from "vitest";
import { credentials } from "../credentials";
import {
  longestTransaction,
  type PgbouncerConfig,
  renderPgbouncerConfig,
} from "../../components/pooling/pgbouncerConfig";
import { renderHba, renderServices, renderUserlist } from "../../components/pooling/pgbouncerAccess";

const logins = credentials({ controlPlane: "p0", app: "a1", telemetry: "t2", auditor: "u3", monitor: "m4" }, 2);
const args: PgbouncerConfig = {
  host: "primary.example.com",
  port: 5433,
  pools: { controlPlane: 12, app: 4, telemetry: 3, auditor: 1 },
  maxClients: 345,
  preparedStatements: 17,
  lanes: 1,
  logins: logins.current,
};
const configs = {
  decisions: renderPgbouncerConfig("decisions", args),
  others: renderPgbouncerConfig("others", args),
};

interface Line {
  section: string;
  name: string;
  value: string;
}

function linesOf(ini: string): Line[] {
  let section = "";
  return ini.split("\n").flatMap((line) => {
    if (line === "" || line.startsWith(";")) return [];
    const header = /^\[(\w+)\]$/.exec(line);
    if (header !== null) {
      section = header[1]!;
      return [];
    }
    const setting = /^(\w+) =(?: (.*))?$/.exec(line);
    if (setting === null) throw new Error(`not a line of an INI file: ${line}`);
    return [{ section, name: setting[1]!, value: setting[2] ?? "" }];
  });
}

const [decisions, others] = [linesOf(configs.decisions), linesOf(configs.others)];
const settingsOf = (lines: Line[]) =>
  Object.fromEntries(lines.filter(({ section }) => section === "pgbouncer").map(({ name, value }) => [name, value]));
const settings = settingsOf(others);
const entriesOf = (lines: Line[]) => lines.filter(({ section }) => section === "databases");

describe("PgBouncer's configuration", () => {
  test("has one entry and so one pool per role, one more for the control plane in a process of its own, each capped at its part of the budget whoever connects to it", () => {
    const entry = (name: string, size: number, more = "") => ({
      section: "databases",
      name,
      value: `host=primary.example.com port=5433 dbname=authensor pool_size=${size} max_db_connections=${size}${more}`,
    });
    expect(entriesOf(decisions)).toEqual([
      // Its key rotation sends BEGIN and COMMIT over different connections: nothing else may land between them.
      entry("authensor_control_plane", 12, " user=authensor_app_b pool_mode=statement"),
    ]);
    expect(entriesOf(others)).toEqual([
      entry("authensor", 4, " user=authensor_app_b"),
      entry("authensor_telemetry", 3, " user=authensor_telemetry_b"),
      // The monitor comes in here too: as itself.
      entry("authensor_auditor", 1),
    ]);
  });

  test("has no entry for other databases, and no password, which the user list has", () => {
    expect([...entriesOf(decisions), ...entriesOf(others)].map(({ name }) => name)).not.toContain("*");
    for (const config of Object.values(configs)) expect(config).not.toMatch(/\b(password|auth_user|auth_query)\s*=/);
  });

  test("has exactly these settings", () => {
    expect(settings).toEqual({
      listen_addr: "*",
      listen_port: "6433",
      unix_socket_dir: "",
      auth_file: "/etc/pgbouncer/auth/userlist.txt",
      auth_type: "hba",
      auth_hba_file: "/etc/pgbouncer/config/hba.conf",
      admin_users: "",
      stats_users: "authensor_monitor, authensor_monitor_b",
      client_tls_sslmode: "require",
      client_tls_cert_file: "/etc/pgbouncer/tls/tls.crt",
      client_tls_key_file: "/etc/pgbouncer/tls/tls.key",
      client_tls_protocols: "secure",
      server_tls_sslmode: "verify-full",
      server_tls_ca_file: "/etc/authensor/trust/database-ca.pem",
      server_tls_protocols: "secure",
      pool_mode: "transaction",
      server_reset_query:
        "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all()",
      server_reset_query_always: "1",
      max_client_conn: "345",
      max_prepared_statements: "17",
      ignore_startup_parameters: "extra_float_digits",
      query_wait_timeout: "15",
      idle_transaction_timeout: "30",
      query_timeout: String(longestTransaction),
      transaction_timeout: String(longestTransaction),
      client_login_timeout: "15",
      server_connect_timeout: "5",
      server_login_retry: "1",
      server_lifetime: "1800",
      server_idle_timeout: "300",
      dns_max_ttl: "5",
      dns_nxdomain_ttl: "2",
      tcp_keepalive: "1",
      tcp_keepidle: "20",
      tcp_keepintvl: "5",
      tcp_keepcnt: "3",
      tcp_user_timeout: "15000",
      log_connections: "0",
      log_disconnections: "0",
      log_pooler_errors: "1",
      log_stats: "1",
      stats_period: "60",
    });
  });

  test("has every session that stores receipts choose among the agents' lanes, from its start and after each reset; where there is one lane nothing is said of it", () => {
    const inLanes = { ...args, lanes: 16 };
    const [ofControlPlane, ofOthers] = [
      linesOf(renderPgbouncerConfig("decisions", inLanes)),
      linesOf(renderPgbouncerConfig("others", inLanes)),
    ];
    const chosen = [...entriesOf(ofControlPlane), ...entriesOf(ofOthers)].filter(({ value }) =>
      value.endsWith(" connect_query='SET audit.lanes = 16'"),
    );
    expect(chosen.map(({ name }) => name)).toEqual(["authensor_control_plane", "authensor"]);
    expect(settingsOf(ofOthers)["server_reset_query"]).toBe(`${settings["server_reset_query"]}; SET audit.lanes = 16`);
    expect(settingsOf(ofControlPlane)["server_reset_query"]).toBe("");
    expect(Object.values(configs).join("\n")).not.toMatch(/lanes/);
  });

  test("is the same for the control plane's process, but for its files and port, and that it resets no session between clients", () => {
    const { server_reset_query_always: _always, ...shared } = settings;
    expect(settingsOf(decisions)).toEqual({
      ...shared,
      listen_port: "6432",
      server_reset_query: "",
    });
  });

  test.each([decisions, others])("names each setting once", (...lines) => {
    const names = lines.map(({ section, name }) => `${section}.${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each(Object.values(configs))("gives a reason above every group of settings", (config) => {
    const uncommented = config
      .split(/\n\n/)
      .slice(1)
      .filter((paragraph) => !/^(\[\w+\]\n)?;/.test(paragraph));
    expect(uncommented).toEqual([]);
  });

  test("lets no client wait as long as a statement may take: it hears no before it gives up itself", () => {
    expect(Number(settings.query_wait_timeout)).toBeLessThan(longestTransaction);
    expect(Number(settings.idle_transaction_timeout)).toBeLessThan(longestTransaction);
  });
});

test("each entry accepts its own client by both its logins, over TLS and with its password, and nobody else", () => {
  const each = (database: string, role: string) =>
    [role, `${role}_b`].flatMap((login) =>
      ["0.0.0.0/0", "::/0"].map((from) => `hostssl ${database} ${login} ${from} scram-sha-256`),
    );
  expect(renderHba().trim().split("\n")).toEqual([
    ...each("authensor_control_plane", "authensor_control_plane"),
    ...each("authensor", "authensor_app"),
    ...each("authensor_telemetry", "authensor_telemetry"),
    ...each("authensor_auditor", "authensor_auditor"),
    ...each("authensor_auditor", "authensor_monitor"),
    ...each("pgbouncer", "authensor_monitor"),
  ]);
});

describe("the user list", () => {
  test("holds each login with its password", () => {
    expect(renderUserlist([logins.current.app, logins.previous.app])).toBe(
      '"authensor_app_b" "a1"\n"authensor_app" "a1-before"\n',
    );
  });

  test("quotes as PgBouncer reads it", () => {
    const text = renderUserlist([{ user: "authensor_app_b", password: 'a"b' }]);
    expect(text).toContain('"authensor_app_b" "a""b"\n');
  });
});

describe("psql's service file", () => {
  const text = renderServices(logins.current);
  const services = text.split("\n\n").map((service) => {
    const [header, ...rest] = service.trim().split("\n");
    return [header, Object.fromEntries(rest.map((line) => line.split(/=(.*)/s).slice(0, 2)))] as const;
  });

  test("comes in through every pool as its own client, and verifies the pod's certificate", () => {
    const each = { host: "localhost", port: "6433", sslmode: "verify-full" };
    const decisions = { ...each, port: "6432" };
    const console = { dbname: "pgbouncer", user: "authensor_monitor_b", password: "m4" };
    expect(services).toMatchObject([
      [
        "[controlPlane]",
        { ...decisions, dbname: "authensor_control_plane", user: "authensor_control_plane_b", password: "p0" },
      ],
      ["[app]", { ...each, dbname: "authensor", user: "authensor_app_b", password: "a1" }],
      ["[telemetry]", { ...each, dbname: "authensor_telemetry", user: "authensor_telemetry_b", password: "t2" }],
      ["[auditor]", { ...each, dbname: "authensor_auditor", user: "authensor_auditor_b", password: "u3" }],
      ["[console-decisions]", { ...decisions, ...console }],
      ["[console-others]", { ...each, ...console }],
    ]);
  });

  test("has no spaces around its equals signs, which libpq would take as part of the value", () => {
    expect(text).not.toMatch(/ =|= /);
  });
});
