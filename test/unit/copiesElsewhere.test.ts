import { beforeAll, describe, expect, test } from "vitest";
import program from "../..";
import { record, type World } from "./mocks";
import { configOf, type Stack } from "./stacks";
import { worldOf } from "./worlds";

const run = (stack: Stack, config: Record<string, string> = {}) => {
  const own = Object.entries(config).map(([key, value]) => [`authensor-database:${key}`, value] as const);
  return record<unknown>(program, { stack, config: { ...configOf(stack), ...Object.fromEntries(own) } });
};

const instance = "aws:rds/instance:Instance";
const copying = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";
const key = "aws:kms/key:Key";
const named = (world: World<unknown>, type: string) => world.all(type).map(({ name }) => name);
/** What outlives a stack; a bucket's parts only ever go with their bucket. */
const retained = (world: World<unknown>) => [
  ...new Set(
    world.resources.filter((r) => r.retainOnDelete && !/^aws:s3\/bucket[A-Z]/.test(r.type)).map(({ name }) => name),
  ),
];

let dev: World<unknown>;
let prod: World<unknown>;
let local: World<unknown>;
beforeAll(async () => {
  [dev, prod, local] = [await worldOf("dev"), await worldOf("prod"), await worldOf("local")];
});

describe("backup copies", () => {
  // RDS refuses them while the source is modifying, which it is for as long as its replica is made.
  test("begin once the replica is there", () => {
    for (const [stack, world] of Object.entries({ prod, local })) {
      const replica = world.one(instance, `authensor-${stack}-replica`);
      const copies = world.one("authensor:backup:BackupReplication");
      // A component's children wait for what the component waits for.
      expect(copies.dependencies).toContain(replica.urn);
      expect(world.resources.indexOf(world.one(copying))).toBeGreaterThan(world.resources.indexOf(replica));
    }
  });

  test("begin after the primary where there is no replica", async () => {
    const world = await run("dev", { backupCopies: "true" });
    expect(world.one(copying).dependencies).toContain(world.one(instance).urn);
  });

  test("have a retention of their own, which replaces them and nothing else", async () => {
    const inputsOf = (world: World<unknown>) =>
      new Map(world.resources.map(({ type, name, inputs }) => [`${type} ${name}`, JSON.stringify(inputs)]));
    const [before, after] = [inputsOf(prod), inputsOf(await run("prod", { backupCopyRetentionDays: "14" }))];
    expect([...after].filter(([resource, inputs]) => before.get(resource) !== inputs).map(([name]) => name)).toEqual([
      `${copying} authensor-prod-backup-copies`,
    ]);
  });
});

describe("an environment without copies elsewhere", () => {
  test("makes, looks up and trusts nothing of a replica's region, and needs none to be named", () => {
    expect(configOf("dev")).not.toHaveProperty("authensor-database:replicaRegion");
    const regions = (world: World<unknown>) => [
      ...new Set([...world.resources, ...world.invoked].map(({ inputs }) => inputs.region).filter(Boolean)),
    ];
    expect(regions(dev).sort()).toEqual(["eu-central-1", "eu-north-1"]);
    expect(regions(prod).sort()).toEqual(["eu-central-1", "eu-north-1", "eu-west-1"]);
    // The AWS SDK, which is in a bundle, knows every region.
    const made = dev.resources.filter(({ name }) => !name.endsWith("-code"));
    expect(JSON.stringify(made)).not.toMatch(/eu-west-1|replica-key|VpcPeering/);
    for (const secret of dev.all("aws:secretsmanager/secret:Secret"))
      expect(secret.inputs).not.toHaveProperty("replicas");
    for (const secret of prod.all("aws:secretsmanager/secret:Secret"))
      expect(secret.inputs.replicas).toMatchObject([{ region: "eu-west-1" }]);
  });

  test("has the bucket alone in the backup region", () => {
    const there = dev.resources.filter(({ inputs }) => inputs.region === "eu-north-1");
    expect(there.length).toBeGreaterThan(0);
    for (const { name, type } of there)
      expect([type, name]).toEqual([type, expect.stringMatching(/^authensor-dev-backups/)]);
  });

  test("is the one that is made to be thrown away: it leaves no key, no bucket, no snapshot and no log", () => {
    expect(retained(dev)).toEqual([]);
    expect(dev.one(instance).inputs).toMatchObject({ skipFinalSnapshot: true, deleteAutomatedBackups: false });
    expect(dev.resources.filter(({ protect }) => protect).map(({ name }) => name)).toEqual([]);
  });
});

describe("a protected environment", () => {
  test("keeps its backup bucket, the keys of its data, a final snapshot and its logs after a destroy", () => {
    expect(retained(prod).sort()).toEqual([
      "authensor-prod-backup-copies-key",
      "authensor-prod-backups",
      "authensor-prod-backups-key",
      "authensor-prod-primary-key",
      "authensor-prod-primary-postgresql",
      "authensor-prod-primary-upgrade",
      "authensor-prod-replica-key",
      "authensor-prod-replica-postgresql",
      "authensor-prod-replica-upgrade",
    ]);
    expect(prod.one(instance, "authensor-prod-primary").inputs.skipFinalSnapshot).toBe(false);
  });

  test("keeps them once its protection is turned off for the destroy", async () => {
    const world = await run("prod", { deletionProtection: "false" });
    expect(retained(world)).toEqual(retained(prod));
    expect(world.one(instance, "authensor-prod-primary").inputs).toMatchObject({
      deletionProtection: false,
      skipFinalSnapshot: false,
    });
    expect(world.resources.filter(({ protect }) => protect).map(({ name }) => name)).toEqual([]);
  });

  test("leaves what interrupts the database to its maintenance window", () => {
    for (const { inputs } of prod.all(instance)) expect(inputs.applyImmediately).toBe(false);
    expect(dev.one(instance).inputs.applyImmediately).toBe(true);
  });
});

test("a stack that says so leaves no key", () => {
  for (const [stack, world] of Object.entries({ dev, local })) {
    expect(configOf(stack as Stack)).toHaveProperty("authensor-database:keepAfterDestroy", "false");
    expect(named(world, key).length).toBeGreaterThan(2);
    expect(retained(world)).toEqual([]);
  }
});

test("keys that are given take the place of every key that would be made in their region", async () => {
  const arn = (region: string) => `arn:aws:kms:${region}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
  const given = {
    primaryKmsKeyArn: arn("eu-central-1"),
    replicaKmsKeyArn: arn("eu-west-1"),
    backupKmsKeyArn: arn("eu-north-1"),
  };
  const world = await run("prod", given);
  expect(named(world, key)).toEqual([]);
  expect(named(world, "aws:kms/alias:Alias")).toEqual([]);
  const keyIn = { "eu-central-1": given.primaryKmsKeyArn, "eu-west-1": given.replicaKmsKeyArn };
  for (const { inputs } of world.all(instance))
    expect(inputs.kmsKeyId).toBe(keyIn[inputs.region as keyof typeof keyIn]);
  expect(world.one(copying).inputs.kmsKeyId).toBe(given.backupKmsKeyArn);
  expect(named(await run("prod", { primaryKmsKeyArn: given.primaryKmsKeyArn }), key)).toEqual([
    "authensor-prod-backup-copies-key",
    "authensor-prod-backups-key",
    "authensor-prod-replica-alarms-key",
    "authensor-prod-replica-key",
    "authensor-prod-roles-replica-key",
  ]);
});
