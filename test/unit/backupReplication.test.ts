import { expect, test } from "vitest";
import { BackupReplication, type BackupReplicationArgs } from "../../components/backup/backupReplication";
import { record } from "./mocks";

const args: BackupReplicationArgs = {
  region: "eu-north-1",
  sourceArn: "arn:aws:rds:eu-central-1:123456789012:db:p-1",
  retentionDays: 35,
  deletionProtection: true,
  keepAfterDestroy: true,
};
const build = (changes: Partial<BackupReplicationArgs> = {}) =>
  record(() => new BackupReplication("c", { ...args, ...changes }));
const copying = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";

test("automated backups are copied to the third region, under a key of that region", async () => {
  const world = await build();
  expect(world.census).toEqual([
    "authensor:backup:BackupReplication c",
    "aws:kms/alias:Alias c-key",
    "aws:kms/key:Key c-key",
    `${copying} c`,
  ]);
  expect(world.one(copying).inputs).toEqual({
    region: "eu-north-1",
    sourceDbInstanceArn: args.sourceArn,
    kmsKeyId: world.arnOf("aws:kms/key:Key"),
    retentionPeriod: 35,
  });
  for (const child of world.resources.filter((r) => r.custom)) expect(child.inputs.region).toBe("eu-north-1");
});

test("a key that is given takes the place of one that is made", async () => {
  const kmsKeyArn = "arn:aws:kms:eu-north-1:123456789012:key/given";
  const world = await build({ kmsKeyArn });
  expect(world.census).toEqual(["authensor:backup:BackupReplication c", `${copying} c`]);
  expect(world.one(copying).inputs.kmsKeyId).toBe(kmsKeyArn);
});

// RDS knows the copying by its source: ended after the new one began, the old one's end would be the new one's.
test.each([true, false])(
  "with protection %s a changed retention ends the old copying before it begins a new one, and nothing blocks that",
  async (deletionProtection) => {
    const world = await build({ deletionProtection });
    expect(world.one(copying)).toMatchObject({ protect: false, retainOnDelete: false, deleteBeforeReplace: true });
  },
);

test.each([
  [true, true],
  [false, true],
  [false, false],
])("with protection %s and keepAfterDestroy %s the copies' key is guarded just so", async (protect, retainOnDelete) => {
  const world = await build({ deletionProtection: protect, keepAfterDestroy: retainOnDelete });
  expect(world.one("aws:kms/key:Key")).toMatchObject({ protect, retainOnDelete });
});
