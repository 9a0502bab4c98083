import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse as parseUrl } from "pg-connection-string";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connections, type ConnectionsArgs } from "../../components/connections/connections";
import { databaseUrl } from "../../components/connections/databaseUrl";
import { renderPgbouncerConfig } from "../../components/pooling/pgbouncerConfig";
import { pooledDatabase, poolerOf } from "../../components/pooling/pgbouncerEntries";
import { credentials } from "../credentials";
import { record } from "./mocks";

const passwords = (generation = 1) =>
  credentials(
    {
      owner: "po",
      app: "pa",
      telemetry: "pt",
      monitor: "pm",
      auditor: "pu",
      verifier: "pv",
      archiver: "pc",
      maintenance: "px",
    },
    generation,
  );
const args: ConnectionsArgs = {
  namespace: "ns",
  primary: { host: "primary.example.com", port: 5432, blocks: ["10.0.0.0/16"] },
  replica: { host: "replica.example.com", port: 5433, blocks: ["10.90.0.0/20"] },
  ownerOnReplica: true,
  pgbouncer: {
    host: "pgbouncer.ns.svc.cluster.local",
    ca: "PGBOUNCER CA",
    controlPlane: { user: "authensor_control_plane", password: "pp" },
  },
  credentials: passwords().current,
  databaseCa: "DATABASE CA",
};
const build = (more: Partial<ConnectionsArgs> = {}) => record(() => new Connections("k", { ...args, ...more }));

const trust = "/etc/authensor/trust";
const pooled = (user: string, password: string, database: string, port = 6433) =>
  `postgresql://${user}:${password}@pgbouncer.ns.svc.cluster.local:${port}/${database}` +
  `?sslmode=verify-full&sslrootcert=${trust}/pgbouncer-ca.pem`;
const direct = (user: string, password: string, server: string) =>
  `postgresql://${user}:${password}@${server}/authensor?sslmode=verify-full&sslrootcert=${trust}/database-ca.pem`;

describe("the connections", () => {
  test.each([
    ["control-plane-database", pooled("authensor_control_plane", "pp", "authensor_control_plane", 6432)],
    ["audit", pooled("authensor_app", "pa", "authensor")],
    ["telemetry", pooled("authensor_telemetry", "pt", "authensor_telemetry")],
    ["auditor", pooled("authensor_auditor", "pu", "authensor_auditor")],
    ["verifier", direct("authensor_verifier", "pv", "primary.example.com:5432")],
    ["archiver", direct("authensor_archiver", "pc", "primary.example.com:5432")],
    ["owner", direct("authensor_owner", "po", "primary.example.com:5432")],
    ["maintenance", direct("authensor_maintenance", "px", "primary.example.com:5432")],
    ["monitor", direct("authensor_monitor", "pm", "primary.example.com:5432")],
    ["replica", direct("authensor_auditor", "pu", "replica.example.com:5433")],
    ["verifier-replica", direct("authensor_verifier", "pv", "replica.example.com:5433")],
    ["archiver-replica", direct("authensor_archiver", "pc", "replica.example.com:5433")],
  ])("give %s a Secret of its own, immutable, with a verified URL", async (connection, url) => {
    const secret = (await build()).one("kubernetes:core/v1:Secret", `k-${connection}`);
    expect(secret.inputs).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "ns" },
      immutable: true,
      stringData: { url },
    });
    expect(secret.secrets).toEqual(["stringData"]);
  });

  test("name each role's other login in the next generation of passwords, and the owner's only one", async () => {
    const controlPlane = { user: "authensor_control_plane_b", password: "pp" } as const;
    const pgbouncer = { ...args.pgbouncer!, controlPlane };
    const world = await build({ credentials: passwords(2).current, pgbouncer });
    const urls = world.all("kubernetes:core/v1:Secret").flatMap(({ inputs }) => {
      const { url } = inputs.stringData as { url?: string };
      return url === undefined ? [] : [new URL(url).username];
    });
    expect([...new Set(urls)].sort()).toEqual([
      "authensor_app_b",
      "authensor_archiver_b",
      "authensor_auditor_b",
      "authensor_control_plane_b",
      "authensor_maintenance_b",
      "authensor_monitor_b",
      "authensor_owner",
      "authensor_telemetry_b",
      "authensor_verifier_b",
    ]);
  });

  test("are fifteen and the certificates that the URLs name, and nothing else", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:connections:Connections k",
      ...[
        "archiver",
        "archiver-replica",
        "audit",
        "auditor",
        "control-plane-database",
        "maintenance",
        "monitor",
        "monitor-pool",
        "monitor-replica",
        "owner",
        "owner-replica",
        "replica",
        "telemetry",
        "trust",
        "verifier",
        "verifier-replica",
      ].map((name) => `kubernetes:core/v1:Secret k-${name}`),
    ]);
    const { inputs } = world.one("kubernetes:core/v1:Secret", "k-trust");
    expect(inputs).toMatchObject({
      immutable: true,
      stringData: { "database-ca.pem": "DATABASE CA", "pgbouncer-ca.pem": "PGBOUNCER CA" },
    });
  });

  test("of the owner leads to the replica only where it is wanted and there is one", async () => {
    const ofOwner = async (more: Partial<ConnectionsArgs>) =>
      (await build(more)).census.filter((entry) => entry.endsWith("-owner-replica"));
    expect(await ofOwner({})).toHaveLength(1);
    expect(await ofOwner({ ownerOnReplica: false })).toEqual([]);
    expect(await ofOwner({ replica: undefined })).toEqual([]);
  });

  test("lead to the primary itself where there is no pooler, and none to its statistics", async () => {
    const world = await build({ pgbouncer: undefined });
    const { urls } = world.result;
    expect(urls.monitorPool).toBeUndefined();
    for (const name of ["audit", "auditor", "controlPlaneDatabase", "telemetry"] as const)
      expect(urls[name]).toMatchObject({ egress: urls.owner.egress, podLabels: undefined });
    // The server does not know the control plane's own login.
    for (const name of ["k-audit", "k-control-plane-database"])
      expect(world.one("kubernetes:core/v1:Secret", name).inputs.stringData).toEqual({
        url: direct("authensor_app", "pa", "primary.example.com:5432"),
      });
    expect(world.one("kubernetes:core/v1:Secret", "k-trust").inputs.stringData).toEqual({
      "database-ca.pem": "DATABASE CA",
    });
  });

  test("lead a pod to their server alone: through PgBouncer it carries the label that PgBouncer admits", async () => {
    const { urls } = (await build()).result;
    const pooled = ["audit", "auditor", "controlPlaneDatabase", "monitorPool", "telemetry"] as const;
    for (const name of pooled)
      expect(urls[name]).toMatchObject({
        egress: {
          to: [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "pgbouncer" } } }],
          ports: [{ port: name === "controlPlaneDatabase" ? 6432 : 6433 }],
        },
        podLabels: { "authensor.io/pgbouncer-client": "true" },
      });
    const to = (cidr: string, port: number) => ({ to: [{ ipBlock: { cidr } }], ports: [{ protocol: "TCP", port }] });
    for (const name of ["archiver", "maintenance", "monitor", "owner", "verifier"] as const)
      expect(urls[name]).toMatchObject({ egress: to("10.0.0.0/16", 5432), podLabels: undefined });
    for (const name of ["archiverReplica", "monitorReplica", "ownerReplica", "replica", "verifierReplica"] as const)
      expect(urls[name]).toMatchObject({ egress: to("10.90.0.0/20", 5433), podLabels: undefined });
  });

  test("name pools that PgBouncer has", () => {
    const pools = { controlPlane: 2, app: 1, telemetry: 1, auditor: 1 };
    const config = {
      host: "h",
      port: 1,
      pools,
      maxClients: 20,
      preparedStatements: 32,
      lanes: 1,
      logins: args.credentials,
    };
    for (const pool of Object.keys(pools) as (keyof typeof pools)[])
      expect(renderPgbouncerConfig(poolerOf[pool], config)).toMatch(new RegExp(`^${pooledDatabase[pool]} = `, "m"));
  });
});

describe("a database URL", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "database-url-"));
    writeFileSync(join(directory, "ca.pem"), "THE CA");
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("is read by node's pg as: this server, this login, verified by this authority", () => {
    const url = databaseUrl({
      user: "authensor_app",
      password: "p:a/s@s?w%o&r#d",
      host: "db.example.com",
      port: 6432,
      database: "authensor",
      caFile: join(directory, "ca.pem"),
    });
    expect(parseUrl(url)).toMatchObject({
      user: "authensor_app",
      password: "p:a/s@s?w%o&r#d",
      host: "db.example.com",
      port: "6432",
      database: "authensor",
      ssl: { ca: "THE CA" },
    });
    // Neither may be turned off: pg verifies chain and name unless told not to.
    expect(parseUrl(url).ssl).not.toMatchObject({ rejectUnauthorized: false });
    expect(parseUrl(url).ssl).not.toHaveProperty("checkServerIdentity");
  });
});
