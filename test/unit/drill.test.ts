/** What the program makes for drills: a place in the copies' region, a CronJob, and a role that may touch nothing else. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import program from "../..";
import { networkProblems } from "../../components/network/networkProblems";
import type { Bucket } from "../../ops/archive/bucket";
import { drill } from "../../ops/drill/drill";
import { heldMs, Lease } from "../../ops/drill/lease";
import { render } from "../../ops/drill/render";
import { summaryOf, type DrillReport } from "../../ops/drill/report";
import { Scratch, type ScratchSettings } from "../../ops/drill/scratch";
import { silentLog } from "../../ops/log";
import { Failure } from "../../ops/program";
import type { PodTemplate } from "./kubernetesTypes";
import { record, type World } from "./mocks";
import { configOf } from "./stacks";
import { worldOf } from "./worlds";

interface Statement {
  Sid: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string>>;
}

const name = "authensor-prod-drill";
let world: World<unknown>;
let statements: Statement[];
let template: PodTemplate;
beforeAll(async () => {
  world = await worldOf("prod");
  const policy = world.one("aws:iam/rolePolicy:RolePolicy", name).inputs.policy as string;
  statements = (JSON.parse(policy) as { Statement: Statement[] }).Statement;
  const { spec } = world.one("kubernetes:batch/v1:CronJob", name).inputs as {
    spec: { jobTemplate: { spec: { template: PodTemplate } } };
  };
  template = spec.jobTemplate.spec.template;
});
const statement = (sid: string) => statements.find(({ Sid }) => Sid === sid)!;

describe("the place that drills restore into", () => {
  test("is in the copies' region, peered with the cluster's VPC alone, and has the primary's parameters", () => {
    const { inputs: group } = world.one("aws:rds/parameterGroup:ParameterGroup", name);
    const { inputs: primary } = world.one("aws:rds/parameterGroup:ParameterGroup", "authensor-prod-primary");
    expect(group).toMatchObject({ region: "eu-north-1", family: primary.family, parameters: primary.parameters });
    expect(world.one("aws:rds/subnetGroup:SubnetGroup", name).inputs.region).toBe("eu-north-1");
    expect(world.one("aws:ec2/vpc:Vpc", name).inputs).toMatchObject({
      region: "eu-north-1",
      cidrBlock: "10.91.0.0/24",
    });
    const rules = world.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
    expect(rules.filter((rule) => rule.name.startsWith(name)).map(({ inputs }) => inputs)).toEqual([
      expect.objectContaining({ cidrIpv4: "10.0.0.0/16", fromPort: 5432, toPort: 5432 }),
    ]);
    expect(world.all("aws:ec2/internetGateway:InternetGateway")).toEqual([]);
  });

  const cluster = {
    name: "c",
    vpcId: "vpc-1",
    cidrBlocks: ["10.0.0.0/16"],
    privateSubnets: ["a", "b"].map((zone) => ({ id: `subnet-${zone}`, zone })),
    routeTableIds: [],
  } as unknown as Parameters<typeof networkProblems>[0];
  test.each([
    ["the cluster's", "10.0.3.0/24", /drillCidr 10.0.3.0\/24 overlaps 10.0.0.0\/16 of vpc-1/],
    ["the replica's", "10.90.1.0/24", /drillCidr 10.90.1.0\/24 overlaps 10.90.0.0\/20 of the replica's VPC/],
  ])("must have other addresses than %s VPC", (_whose, cidr, message) => {
    const place = (block: string) => ({ region: "eu-west-1", cidr: block, zones: [] });
    const replica = place("10.90.0.0/20");
    expect(networkProblems(cluster, replica, place(cidr))).toEqual([expect.stringMatching(message)]);
    expect(networkProblems(cluster, replica, place("10.91.0.0/24"))).toEqual([]);
  });
});

describe("the drill", () => {
  test("has room for the verifier beside it, and time to remove its instance and to report when it is to end", () => {
    const { containers, terminationGracePeriodSeconds } = template.spec;
    expect(containers[0]!.resources).toMatchObject({ limits: { memory: "512Mi" } });
    expect(terminationGracePeriodSeconds).toBe(120);
  });

  test.each([
    [
      "without a gap",
      [],
      "both ways back are proven: from the copies RTO 75 s, RPO 60 s; from the bucket alone RTO 4 h 10 min, RPO 5 min",
    ],
    [
      "that could not verify all",
      ["2026-01"],
      /^both ways back are proven as far as they could be verified \(not verified: 1; .*\): from/,
    ],
  ])("%s says no more than it has proven", (_, unverified, says) => {
    const copies = { rtoSeconds: 75, rpoSeconds: 60, verification: { unverified } };
    const report = { ok: true, problems: [], copies, bucket: { rtoSeconds: 15_000, rpoSeconds: 290 } };
    expect(summaryOf(report as unknown as DrillReport)).toMatch(says);
  });

  test("lists each fork that the bucket accepts: who wrote to the bucket may have accepted it", () => {
    const fork = { chain: "receipts", seq: 41, left: { last: 43 }, by: "Ana Díaz", at: "2026-11-25" };
    const forks = ["a", "b"].map((agent) => ({ ...fork, agent }));
    const verified = { receipts: 1, changes: 0, agents: 1, checkpoints: 0 };
    const way = { seconds: {}, verification: { verified, archive: { manifests: 1, rows: 1, forks } } };
    const report = { problems: [], instance: {}, copies: { seconds: {} }, bucket: { ...way, startedAt: "x" } };
    const lines = render(report as unknown as DrillReport, undefined).split("\n");
    expect(lines.filter((line) => line.includes("fork"))).toEqual(
      ["a", "b"].map(
        (agent) => `  accepted fork     agent "${agent}" after receipt 41 (left: 42 to 43), by Ana Díaz at 2026-11-25`,
      ),
    );
  });

  test.each([
    ["as much as is needed", 30, 10, undefined],
    ["less", 20, 10, 30],
    ["a little less, by a tenth at least, as RDS wants it", 29, 10, 32],
  ])("gives a second database room where the instance has %s", async (_, had, usedGib, expected) => {
    const orders: (number | undefined)[] = [];
    let has = had;
    const send = ({ input }: { input: { AllocatedStorage?: number; ApplyImmediately?: boolean } }) => {
      if (input.ApplyImmediately) orders.push((has = input.AllocatedStorage!));
      const tags = [{ Key: "authensor:drill", Value: "prod" }];
      return Promise.resolve({
        DBInstances: [{ DBInstanceStatus: "storage-optimization", AllocatedStorage: has, TagList: tags }],
      });
    };
    const settings = { environment: "prod", copiesArn: "arn:aws:rds:eu-north-1:1:auto-backup:ab-1", waitSeconds: 1 };
    const { signal } = new AbortController();
    const scratch = new Scratch(settings as ScratchSettings, silentLog, signal, { send });
    await scratch.makeRoom(usedGib * 2 ** 30);
    expect(orders).toEqual(expected === undefined ? [] : [expected]);
  });

  describe("asks RDS by", () => {
    const refusal = (name: string) => Object.assign(new Error(name), { name });
    const settings = {
      environment: "prod",
      copiesArn: "arn:aws:rds:eu-north-1:1:auto-backup:ab-1",
      waitSeconds: 0.05,
      pollMilliseconds: 1,
    };
    const mine = { TagList: [{ Key: "authensor:drill", Value: "prod" }], MasterUsername: "owner" };
    const at = { Endpoint: { Address: "localhost", Port: 5432 } };
    /** An RDS that shows these, one after another, and refuses every order so. */
    const scratchOf = (refuses: string, ...shown: object[]) => {
      const send = ({ constructor: { name } }: object) => {
        if (!name.startsWith("Describe")) return Promise.reject(refusal(refuses));
        return Promise.resolve({ DBInstances: [shown.length > 1 ? shown.shift() : shown[0]] });
      };
      return new Scratch(settings as ScratchSettings, silentLog, new AbortController().signal, { send });
    };
    const group = (ParameterApplyStatus: string) => ({ DBParameterGroups: [{ ParameterApplyStatus }] });

    test("an order whose answer was lost once more: the instance that is there by then is its own", async () => {
      await scratchOf("DBInstanceAlreadyExistsFault", mine).restore();
      await expect(scratchOf("DBInstanceAlreadyExistsFault", {}).restore()).rejects.toThrow("no drill has made it");
      await expect(scratchOf("InsufficientDBInstanceCapacityFault", mine).restore()).rejects.toThrow("Capacity");
    });

    test("a reboot once more whose answer was lost: it goes on once the parameters are in force", async () => {
      const status = (DBInstanceStatus: string) => ({ ...mine, ...at, DBInstanceStatus });
      const scratch = scratchOf(
        "InvalidDBInstanceStateFault",
        { ...status("available"), ...group("pending-reboot") },
        { ...status("rebooting"), ...group("pending-reboot") },
        { ...status("available"), ...group("in-sync") },
      );
      expect(await scratch.available()).toEqual({ host: "localhost", port: 5432, master: "owner" });
    });

    test("a deletion for as long as one step may take, and not for ever", async () => {
      const scratch = scratchOf("InvalidDBInstanceStateFault", { ...mine, DBInstanceStatus: "upgrading" });
      await expect(scratch.remove()).rejects.toThrow(/until authensor-prod-drill can be deleted, in vain: .*upgrading/);
    });
  });

  test("that is to end while RDS refuses to delete its instance asks once, and says that it is still there", async () => {
    const orders: (AbortSignal | undefined)[] = [];
    const scratch = {
      identifier: "authensor-prod-drill",
      region: "eu-north-1",
      settings: { copiesArn: "arn" },
      remove: (within?: AbortSignal) => (orders.push(within), Promise.reject(new Error("busy"))),
    } as unknown as Scratch;
    const report = await drill({
      environment: "prod",
      lease: { renew: () => Promise.resolve(true) },
      scratch,
      caFile: "",
      bucket: { name: "backups" } as Bucket,
      programs: { verify: "", restore: "" },
      waitSeconds: 1,
      now: () => Promise.resolve(new Date()),
      log: silentLog,
      signal: AbortSignal.abort(new Failure("stopped by SIGTERM")),
    });
    expect(orders.filter((within) => within !== undefined)).toHaveLength(1);
    expect(report).toMatchObject({
      ok: false,
      problems: ["stopped by SIGTERM", expect.stringMatching(/could not be removed: busy.*until then it costs/)],
    });
  });

  test.each([
    [
      "where another has begun",
      () => Promise.resolve(false),
      "another drill has begun, since nothing was heard of this one for 10 minutes",
    ],
    [
      "where it cannot tell whether another has begun",
      () => Promise.reject(new Error("ECONNREFUSED")),
      "the primary could not be told for 9 minutes that this drill goes on: another one may begin",
    ],
  ])("that was silent for too long ends, and leaves the instance to others, %s", async (_, goesOn, why) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const removals: unknown[] = [];
    const lease = new Lease(goesOn);
    await lease.begin(() => Promise.resolve("run"));
    const scratch = {
      identifier: "authensor-prod-drill",
      region: "eu-north-1",
      settings: { copiesArn: "arn" },
      remove: () => (removals.push(0), Promise.resolve(false)),
      newestRestorable: () => vi.advanceTimersByTimeAsync(heldMs).then(() => Promise.reject(new Error("aborted"))),
    } as unknown as Scratch;
    const report = await drill({
      environment: "prod",
      lease,
      scratch,
      caFile: "",
      bucket: { name: "backups" } as Bucket,
      programs: { verify: "", restore: "" },
      waitSeconds: 1,
      now: () => Promise.resolve(new Date()),
      log: silentLog,
      signal: lease.lost,
    });
    expect(report.problems).toEqual([
      why,
      expect.stringMatching(
        /^authensor-prod-drill in eu-north-1 is left to the drill that has begun since, or to the next/,
      ),
    ]);
    expect(removals, "the look for what an earlier one has left").toHaveLength(1);
  });

  test("is given what it restores and into what, and the verifier beside it; no password of the database but its own", () => {
    const [container] = template.spec.containers;
    const env = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      ENVIRONMENT: "prod",
      COPIES_ARN: expect.stringMatching(/^arn:aws:rds:eu-north-1:\d+:auto-backup:/) as string,
      BACKUP_REGION: "eu-north-1",
      CA_FILE: "/etc/authensor/trust/database-ca.pem",
      VERIFY_PROGRAM: "/app/verify/verify.js",
      RESTORE_PROGRAM: "/app/restore/restore.js",
      MIGRATIONS_DIR: "/app/sql",
      DATABASE_URL_FILE: "/etc/authensor/database/url",
    });
    const mounted = template.spec.volumes.flatMap(({ configMap }) =>
      configMap ? [(configMap as { name: string }).name] : [],
    );
    const migrations = readdirSync(join(__dirname, "../../sql")).filter((name) => /^\d{3}_/.test(name));
    const bundles = world
      .all("kubernetes:core/v1:ConfigMap")
      .filter(({ computed }) => mounted.includes((computed.metadata as { name: string }).name));
    expect(bundles.flatMap(({ inputs }) => Object.keys(inputs.data as object)).sort()).toEqual([
      ...migrations,
      "drill.js",
      "restore.js",
      "verify.js",
    ]);
  });

  test("may make, change and delete one instance, by its name and its tag", () => {
    const scratch = expect.stringMatching(/^arn:aws:rds:eu-north-1:\d{12}:db:authensor-prod-drill$/) as string;
    const { Resource, Condition } = statement("RestoreTheCopies");
    expect([Resource].flat().filter((arn) => arn.includes(":db:"))).toEqual([scratch]);
    expect(Condition).toEqual({
      StringEquals: { "aws:RequestTag/authensor:drill": "prod" },
      Bool: { "rds:PubliclyAccessible": "false" },
    });
    expect(statement("UseAndRemoveIt")).toMatchObject({
      Action: ["rds:ModifyDBInstance", "rds:RebootDBInstance", "rds:DeleteDBInstance"],
      Resource: scratch,
      Condition: { StringEquals: { "aws:ResourceTag/authensor:drill": "prod" } },
    });
    const everywhere = statements.filter(({ Resource }) => [Resource].flat().some((arn) => arn === "*"));
    expect(everywhere.map(({ Action }) => Action)).toEqual(["rds:DescribeEvents"]);
  });

  test("may read the bucket, and add to it only reports", () => {
    const written = statements.filter(({ Action }) => [Action].flat().includes("s3:PutObject"));
    expect(written.map(({ Resource, Condition }) => [Resource, Condition])).toEqual([
      [expect.stringMatching(/\/drills\/\*$/), { Null: { "s3:if-none-match": "false" } }],
    ]);
    expect(
      statements.flatMap(({ Action }) => Action).filter((action) => /s3:(Delete|Bypass|PutObject\w)/.test(action)),
    ).toEqual([]);
  });
});

test.each([
  ["there are no copies", { "authensor-database:backupCopies": "false" }],
  ["drill is false", { "authensor-database:drill": "false" }],
])("nothing is made for drills where %s", async (_why, changed) => {
  const config = { ...configOf("local"), ...changed };
  const { resources } = await record<unknown>(program, { stack: "local", config });
  expect(resources.filter((resource) => /-drill\b/.test(resource.name)).map(({ type }) => type)).toEqual([]);
});
