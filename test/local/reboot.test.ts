/** Static parameters wait for a reboot, here as on RDS, and ops/reboot reboots a real pair in the right order. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DescribeDBInstancesCommand, RDSClient, RebootDBInstanceCommand } from "@aws-sdk/client-rds";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEndpoint } from "../../cloud/aws/endpoint";
import { ensureSecret, keyEnvironment, keysOf } from "../../cloud/aws/iam/keys";
import { list as instancesIn } from "../../cloud/aws/rds/api/known";
import { operations } from "../../cloud/aws/rds/api/operations";
import { serverBehind } from "../../cloud/aws/rds/api/servers";
import { rdsApi, rdsRoot } from "../../cloud/aws/rds/api/service";
import { waitUntil } from "../../cloud/host/wait";
import { runOps, startOps, type Running } from "../sql/programs";
import { FakeCloud } from "./fakeCloud";

const [instance, group] = ["aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup"];
const cloud = new FakeCloud();
const regions = { primary: "eu-central-1", replica: "us-east-1" } as const;
type Which = keyof typeof regions;
const servers = Object.keys(regions) as Which[];
let environment: Record<string, string> = {};
let api: Record<Which, RDSClient>;

const list = (values: Record<string, string>) =>
  Object.entries(values).map(([name, value]) => ({ name, value, applyMethod: "pending-reboot" }));
const groups = async (values: Record<string, string>) => {
  for (const which of servers) await cloud.update(`${which}-group`, { parameters: list(values) });
  for (const which of servers) await cloud.heal(which);
};

beforeAll(async () => {
  ensureSecret(cloud.root, cloud.serviceUser);
  const { serviceUser } = cloud;
  const endpoint = await startEndpoint(rdsApi, cloud.root, { serviceUser, signal: new AbortController().signal });
  const keys = keysOf(cloud.root);
  api = { primary: client(regions.primary), replica: client(regions.replica) };
  function client(region: string) {
    return new RDSClient({ region, endpoint, credentials: keys });
  }
  for (const [which, region] of Object.entries(regions))
    await cloud.create(group, `${which}-group`, {
      region,
      family: "postgres15",
      parameters: list({ max_connections: "40" }),
    });
  const named = (which: Which) => ({
    region: regions[which],
    instanceClass: "db.t4g.micro",
    parameterGroupName: cloud.get(`${which}-group`).outputs.name,
    skipFinalSnapshot: true,
  });
  const primary = await cloud.create(instance, "primary", {
    ...named("primary"),
    engine: "postgres",
    engineVersion: "15",
    username: "owner",
    passwordWo: "first-password",
    passwordWoVersion: 1,
    dbName: "authensor",
    allocatedStorage: 20,
    backupRetentionPeriod: 1,
  });
  await cloud.create(instance, "replica", { ...named("replica"), replicateSourceDb: primary.outputs.arn });
  const ca = await cloud.ca();
  const url = (which: Which) =>
    `postgresql://owner:first-password@localhost:${String(cloud.get(which).outputs.port)}/authensor?sslmode=verify-full&sslrootcert=${ca}`;
  environment = {
    ...keyEnvironment(keys),
    [rdsApi.variable]: endpoint,
    DATABASE_URL: url("primary"),
    REPLICA_URL: url("replica"),
    PRIMARY_ARN: String(cloud.get("primary").outputs.arn),
    REPLICA_ARN: String(cloud.get("replica").outputs.arn),
    PARAMETERS_FILE: join(cloud.root, "parameters.json"),
    POLL_MILLISECONDS: "20",
  };
});
afterAll(() => cloud.destroy());

async function ask(which: Which, sql: string): Promise<string> {
  const connectionString = environment[which === "primary" ? "DATABASE_URL" : "REPLICA_URL"]!;
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return Object.values((await client.query<Record<string, string>>(sql)).rows[0]!)[0]!;
  } finally {
    await client.end();
  }
}
const most = (which: Which) => ask(which, "show max_connections");
const startedAt = (which: Which) => ask(which, "select extract(epoch from pg_postmaster_start_time())::text");

async function told(which: Which) {
  const { DBInstances: [found] = [] } = await api[which].send(
    new DescribeDBInstancesCommand({ DBInstanceIdentifier: String(cloud.get(which).outputs.identifier) }),
  );
  return { status: found?.DBInstanceStatus, parameters: found?.DBParameterGroups?.[0]?.ParameterApplyStatus };
}

/** The groups have these values, and the program is told to have them in force. */
async function change(values: Record<string, string>): Promise<void> {
  await groups(values);
  want(values);
}
const want = (values: Record<string, string>) =>
  writeFileSync(join(cloud.root, "parameters.json"), JSON.stringify({ primary: values, replica: values }));
const reboot = (more: Record<string, string> = {}) => runOps("reboot", [], { ...environment, ...more });
const said = ({ lines }: { lines: Record<string, unknown>[] }) => lines.map(({ message }) => message);

async function killedWhen(message: string): Promise<void> {
  const running: Running = await startOps("reboot", [], environment);
  running.child.stdout!.on("data", (text: Buffer) => {
    if (text.toString().includes(message)) running.child.kill("SIGKILL");
  });
  expect((await running.result).signal).toBe("SIGKILL");
}

async function inForce(value: string): Promise<void> {
  for (const which of servers) {
    expect(await most(which)).toBe(value);
    expect(await told(which)).toEqual({ status: "available", parameters: "in-sync" });
  }
  const streams = async () => (await ask("primary", "select count(*) from pg_stat_replication")) === "1";
  await waitUntil("the replica streams", streams, { timeoutMs: 90_000 });
}

describe("a reboot for changed parameters", () => {
  test("is needed before a static one is in force: until then RDS reports pending-reboot", async () => {
    const before = await startedAt("primary");
    await change({ max_connections: "60" });
    for (const which of servers) {
      expect(await told(which)).toEqual({ status: "available", parameters: "pending-reboot" });
      expect(await most(which)).toBe("40");
    }
    expect(await ask("primary", "select pending_restart::text from pg_settings where name = 'max_connections'")).toBe(
      "true",
    );
    expect(await cloud.heal("primary")).toBeUndefined();
    expect(await startedAt("primary")).toBe(before);
  });

  test("starts with the replica where a value is raised", async () => {
    const result = await reboot();
    expect(result.code, result.stderr).toBe(0);
    expect(said(result)).toEqual([
      "the replica is being rebooted",
      "the replica is back, with its parameters in force",
      "the primary is being rebooted",
      "the primary is back, with its parameters in force",
      "every server has its parameters in force",
    ]);
    await inForce("60");
  });

  test("is not made again, and RDS is not even asked, where nothing waits", async () => {
    const before = await startedAt("primary");
    const result = await reboot({ [rdsApi.variable]: "http://127.0.0.1:9" });
    expect(said(result)).toEqual(["no server waits for a reboot"]);
    expect(result.code).toBe(0);
    expect(await startedAt("primary")).toBe(before);
  });

  test("ends with the replica where a value is lowered", async () => {
    await change({ max_connections: "30" });
    const result = await reboot();
    expect(result.code, result.stderr).toBe(0);
    expect(said(result).filter((line) => String(line).endsWith("rebooted"))).toEqual([
      "the primary is being rebooted",
      "the replica is being rebooted",
    ]);
    await inForce("30");
  });

  // Between the two reboots; and while the first one happens, which RDS carries on with.
  test.each([
    ["raised", "50", "the replica is back"],
    ["lowered", "45", "the primary is being rebooted"],
  ])(
    "of a value that is %s, to %s, is carried on by the next run where one is killed when %s",
    async (_how, value, moment) => {
      await change({ max_connections: value });
      await killedWhen(moment);
      const [first, second] = moment.includes("replica") ? servers.toReversed() : servers;
      const result = await reboot();
      expect(result.code, result.stderr).toBe(0);
      const rebooted = said(result).filter((line) => String(line).endsWith("rebooted"));
      expect(rebooted).toEqual([`the ${second} is being rebooted`]);
      expect(Number(await startedAt(first!))).toBeLessThan(Number(await startedAt(second!)));
      await inForce(value);
    },
  );

  test("is refused where one value is raised and another lowered: no order serves both", async () => {
    const before = await startedAt("primary");
    await change({ max_connections: "55", max_locks_per_transaction: "32" });
    const result = await reboot();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no order of reboots serves all changed parameters; nothing was rebooted/);
    expect(result.stderr).toMatch(
      /max_connections is raised and max_locks_per_transaction is lowered.*deploy the raised/,
    );
    expect(await startedAt("primary")).toBe(before);
  });

  test("is not made before RDS reports it pending, and the failure says for what it waited", async () => {
    await change({ max_connections: "45" });
    want({ max_connections: "90" });
    const result = await reboot({ WAIT_SECONDS: "0" });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^reboot: waited 0 s until RDS reports pending-reboot for replica-\w+, in vain/m);
  });

  test.each([
    ["the ARN is another's", { PRIMARY_ARN: "arn:aws:s3:::bucket" }, /not the ARN of an RDS instance/],
    ["the ARN is missing", { PRIMARY_ARN: "" }, /PRIMARY_ARN is not set/],
    ["the parameters cannot be read", { PARAMETERS_FILE: "/nowhere" }, /PARAMETERS_FILE: \/nowhere is not as expected/],
  ])("is refused as wrong settings where %s", async (_what, more, message) => {
    expect(await reboot(more)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) as string });
  });
});

describe("RDS' API", () => {
  const identifier = () => String(cloud.get("primary").outputs.identifier);

  test("knows the instances of the region that it is asked in, and no others", async () => {
    const { DBInstances: all = [] } = await api.primary.send(new DescribeDBInstancesCommand({}));
    expect(all.map(({ DBInstanceIdentifier: id }) => id)).toEqual([identifier()]);
    const elsewhere = api.replica.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: identifier() }));
    await expect(elsewhere).rejects.toMatchObject({ name: "DBInstanceNotFoundFault" });
  });

  test("refuses a failover of an instance in one zone, and a second reboot during the first", async () => {
    const send = (ForceFailover: boolean) =>
      api.primary.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: identifier(), ForceFailover }));
    await expect(send(true)).rejects.toThrow(/ForceFailover/);
    expect((await send(false)).DBInstance?.DBInstanceStatus).toBe("rebooting");
    await expect(send(false)).rejects.toMatchObject({ name: "InvalidDBInstanceStateFault" });
    await waitUntil("available", async () => (await told("primary")).status === "available", { timeoutMs: 90_000 });
  });

  test("has the standby of a Multi-AZ instance take over at its address: nothing is shut down, and what was committed is there", async () => {
    await cloud.update("primary", { multiAz: true });
    const directory = rdsRoot(cloud.root);
    const reboots = new Set<string>();
    const { signal } = new AbortController();
    const before = await startedAt("primary");
    await ask("primary", "select lo_from_bytea(4711, 'committed')");
    const parameters = new Map(Object.entries({ DBInstanceIdentifier: identifier(), ForceFailover: "true" }));
    const call = { region: regions.primary, accessKeyId: "", parameters };
    operations["RebootDBInstance"]!(call, { directory, reboots, restores: new Map(), failoverMs: 300, signal });
    expect(reboots.size).toBe(1);
    await waitUntil("its standby", () => Promise.resolve(reboots.size === 0), { timeoutMs: 90_000, everyMs: 20 });
    expect(await startedAt("primary")).not.toBe(before);
    expect(await ask("primary", "select convert_from(lo_get(4711), 'UTF8')")).toBe("committed");
    const [known] = instancesIn(directory, regions.primary);
    expect(serverBehind(known!).log()).toContain("automatic recovery in progress");
  });
});
