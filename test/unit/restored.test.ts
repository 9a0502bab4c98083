/** A stack whose primary is made from a backup: what the program makes then, and what it refuses. */
import { beforeAll, describe, expect, test } from "vitest";
import program from "../..";
import { changedSince, type DecidedOnce, type Restored } from "../../components/stack/decidedOnce";
import { record, type Recorded, type World } from "./mocks";
import { configurationOf, judge, levelOf } from "./policies";
import { configOf } from "./stacks";
import { worldOf } from "./worlds";

const source: Restored = {
  from: "arn:aws:rds:eu-central-1:123456789012:auto-backup:ab-0123456789abcdefghijklmnop",
  bucketArn: "arn:aws:s3:::authensor-prod-backups-1a2b3c4",
  bucketKmsKeyArn: "arn:aws:kms:eu-west-3:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
};
const moment = "2026-11-01T12:00:00Z";
const restoreTime = "authensor-database:restoreTime";
const settings = {
  "authensor-database:restoreFrom": source.from,
  [restoreTime]: moment,
  "authensor-database:restoreBucketArn": source.bucketArn,
  "authensor-database:restoreBucketKmsKeyArn": source.bucketKmsKeyArn,
};
const instance = "aws:rds/instance:Instance";

let empty: World<unknown>;
let restored: World<unknown>;
beforeAll(async () => {
  empty = await worldOf("prod");
  restored = await record<unknown>(program, { stack: "prod", config: { ...configOf("prod"), ...settings } });
});

const primaryOf = (world: World<unknown>) => world.one(instance, "authensor-prod-primary");
const job = () => restored.one("kubernetes:batch/v1:Job", "authensor-prod-adopt");
interface Pod {
  args: string[];
  env: { name: string; value?: string }[];
}
/** Mandatory rules of the policy pack that production does not keep to. */
function brokenIn({ resources }: World<unknown>) {
  const configuration = configurationOf("production");
  return judge(resources, configuration).violations.filter(({ rule }) => levelOf(rule, configuration) === "mandatory");
}
const container = ({ inputs }: Recorded) =>
  (inputs.spec as { template: { spec: { containers: Pod[] } } }).template.spec.containers[0]!;

describe("a primary that is made from automated backups", () => {
  test("is that of any other stack, but for what RDS takes from the backup: the database and its key", () => {
    const { dbName, kmsKeyId, ...others } = primaryOf(empty).inputs;
    expect([dbName, kmsKeyId]).toEqual(["authensor", expect.stringMatching(/^arn:aws:kms:/)]);
    expect(primaryOf(restored).inputs).toEqual({
      ...others,
      restoreToPointInTime: { sourceDbInstanceAutomatedBackupsArn: source.from, restoreTime: moment },
    });
  });

  test("keeps to every mandatory rule of the policy pack in production", () => {
    expect(brokenIn(restored)).toEqual([]);
  });

  test("is verified by a Job that comes after the migrations and before all that writes", () => {
    expect(restored.one("authensor:programs:Adoption").dependencies).toContain(
      restored.one("kubernetes:batch/v1:Job", "authensor-prod-migrate").urn,
    );
    for (const type of ["pooling:Pgbouncer", "controlPlane:ControlPlane", "monitoring:Monitoring"])
      expect(restored.one(`authensor:${type}`).dependencies, type).toContain(job().urn);
    for (const { dependencies } of restored.all("authensor:programs:Scheduled"))
      expect(dependencies).toContain(job().urn);
  });

  test("is compared with its source's bucket, in that one's region, which the Job may only read", () => {
    const env = Object.fromEntries(container(job()).env.map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      BACKUP_BUCKET: "authensor-prod-backups-1a2b3c4",
      BACKUP_REGION: "eu-west-3",
      BACKUP_BUCKET_OWNER: "123456789012",
      RESTORED_FROM: `${source.from} at ${moment}`,
    });
    const policy = JSON.stringify(restored.one("aws:iam/rolePolicy:RolePolicy", "authensor-prod-adopt").inputs);
    expect(policy).toContain("s3:GetObjectVersion");
    expect(policy).not.toMatch(/Put|Delete|GenerateDataKey/);
  });

  test("has a stack that archives into a bucket of its own, and not into its source's", () => {
    const archive = restored.one("kubernetes:batch/v1:CronJob", "authensor-prod-archive");
    expect(JSON.stringify(archive.inputs)).not.toContain("authensor-prod-backups-1a2b3c4");
    restored.expectNothingSecretInPlain();
  });

  test("stays as it is, and the Job with it, once the settings are taken away", async () => {
    const recorded = restored.one("pulumi:index:Stash", "decided-once").inputs.input;
    const later = await record<unknown>(program, {
      stack: "prod",
      config: configOf("prod"),
      computed: { "pulumi:index:Stash": (made, name) => ({ output: name === "decided-once" ? recorded : made.input }) },
    });
    const made = (world: World<unknown>) =>
      new Map(world.resources.map(({ type, name, inputs }) => [`${type} ${name}`, JSON.stringify(inputs)]));
    const [before, now] = [made(restored), made(later)];
    expect([...now.keys()].sort()).toEqual([...before.keys()].sort());
    const changed = [...now].filter(([what, inputs]) => before.get(what) !== inputs).map(([what]) => what);
    expect(changed).toEqual(["pulumi:index:Stash decided-once"]);
  });

  test("has its source's bucket refused as its own also when the settings are taken away", async () => {
    const recorded = restored.one("pulumi:index:Stash", "decided-once").inputs.input;
    const own = {
      "authensor-database:backupBucketArn": source.bucketArn,
      "authensor-database:backupBucketKmsKeyArn":
        "arn:aws:kms:eu-north-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    };
    const again = record<unknown>(program, {
      stack: "prod",
      config: { ...configOf("prod"), ...own },
      computed: { "pulumi:index:Stash": (made, name) => ({ output: name === "decided-once" ? recorded : made.input }) },
    });
    await expect(again).rejects.toThrow(
      /^backupBucketArn must differ from arn:aws:s3:::authensor-prod-backups-1a2b3c4/,
    );
  });

  test("is never replaced for its source: what RDS restored once is the database", () => {
    expect(primaryOf(restored).ignoreChanges).toEqual(
      expect.arrayContaining(["restoreToPointInTime", "snapshotIdentifier"]),
    );
  });
});

describe("a primary that is made from a snapshot", () => {
  const from = "arn:aws:rds:eu-central-1:123456789012:snapshot:rds:authensor-prod-primary-1a2b3c4-2026-11-01-03-10";
  let world: World<unknown>;
  beforeAll(async () => {
    const { [restoreTime]: _, ...others } = settings;
    const config = { ...configOf("prod"), ...others, "authensor-database:restoreFrom": from };
    world = await record<unknown>(program, { stack: "prod", config });
  });

  test("is that of any other stack, but for the snapshot, and the database and the key that come with it", () => {
    const { dbName: _, kmsKeyId: __, ...others } = primaryOf(empty).inputs;
    expect(primaryOf(world).inputs).toEqual({ ...others, snapshotIdentifier: from });
  });

  test("is verified by the Job before all that writes, and recorded with the stack", () => {
    const adopts = world.one("kubernetes:batch/v1:Job", "authensor-prod-adopt");
    expect(container(adopts).env).toContainEqual({ name: "RESTORED_FROM", value: from });
    expect(world.one("authensor:controlPlane:ControlPlane").dependencies).toContain(adopts.urn);
    expect(world.one("pulumi:index:Stash", "decided-once").inputs.input).toMatchObject({ restored: { from } });
  });

  test("keeps to every mandatory rule of the policy pack in production", () => {
    expect(brokenIn(world)).toEqual([]);
  });
});

describe("a primary that is made from the bucket alone", () => {
  let world: World<unknown>;
  beforeAll(async () => {
    const { [restoreTime]: _, ...others } = settings;
    const config = { ...configOf("prod"), ...others, "authensor-database:restoreFrom": "bucket" };
    world = await record<unknown>(program, { stack: "prod", config });
  });

  test("is made empty as any other, and filled by a Job that comes before the migrations", () => {
    expect(primaryOf(world).inputs).toEqual(primaryOf(empty).inputs);
    const filled = world.one("kubernetes:batch/v1:Job", "authensor-prod-restore");
    expect(container(filled).args).toEqual(["--again"]);
    expect(world.one("authensor:programs:Migrations").dependencies).toContain(filled.urn);
  });

  test("is verified up to the manifest that it was restored to, before all that writes", () => {
    const adopts = world.one("kubernetes:batch/v1:Job", "authensor-prod-adopt");
    expect(container(adopts).args).toEqual(["--bucket"]);
    expect(world.one("authensor:controlPlane:ControlPlane").dependencies).toContain(adopts.urn);
  });
});

describe("a stack that is there", () => {
  const first: DecidedOnce = {
    ...{ environment: "prod", primaryRegion: "eu-central-1", backupRegion: "eu-north-1", postgresVersion: "17" },
    ...{ primaryKmsKeyArn: "", vpcId: "vpc-1", createNamespace: true },
  };

  test.each<[string, Restored | undefined, Restored, RegExp]>([
    [
      "that was made empty",
      undefined,
      source,
      /^restoreFrom is arn:\S+, verified against \S+, but this stack was made without it\. /,
    ],
    [
      "of an earlier moment",
      { ...source, time: moment },
      source,
      /but this stack was made from \S+ at 2026-11-01T12:00:00Z, /,
    ],
    ["of another source", { ...source, from: "another" }, source, /but this stack was made from another, /],
    [
      "verified against another bucket",
      { ...source, bucketArn: "another" },
      source,
      /verified against another\. Nothing is/,
    ],
  ])("%s is not restored over, in one line that says what to do", (_which, was, now, line) => {
    const [said, ...others] = changedSince({ ...first, ...(was && { restored: was }) }, first, undefined, now);
    expect(others).toEqual([]);
    expect(said).toMatch(line);
    expect(said).toMatch(/make a new stack, or take restoreFrom and restoreTime away/);
    expect(said).not.toContain("\n");
  });

  test("goes on with what it was made from, whether or not the settings still say so", () => {
    expect(changedSince({ ...first, restored: source }, first, undefined, source)).toEqual([]);
    expect(changedSince({ ...first, restored: source }, first)).toEqual([]);
  });
});
