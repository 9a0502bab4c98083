import { expect, test } from "vitest";
import { BackupReplication } from "../../components/backupReplication";
import { record } from "./mocks";

const sourceArn = "arn:aws:rds:eu-central-1:123456789012:db:p-1";

test("automated backups are copied to the third region, under a key of that region", async () => {
  const world = await record(
    () => new BackupReplication("c", { region: "eu-north-1", sourceArn, retentionDays: 35, deletionProtection: true }),
  );
  expect(world.census).toEqual([
    "authensor:backupReplication:BackupReplication c",
    "aws:kms/alias:Alias c-key",
    "aws:kms/key:Key c-key",
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication c",
  ]);
  expect(world.one("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication").inputs).toEqual({
    region: "eu-north-1",
    sourceDbInstanceArn: sourceArn,
    kmsKeyId: "arn:aws:kms:eu-north-1:123456789012:key/c-key",
    retentionPeriod: 35,
  });
  for (const child of world.resources.filter((r) => r.custom)) expect(child.inputs.region).toBe("eu-north-1");
});

test.each([true, false])(
  "with protection %s the copies' key stays when the copying ends",
  async (deletionProtection) => {
    const world = await record(
      () => new BackupReplication("c", { region: "eu-north-1", sourceArn, retentionDays: 7, deletionProtection }),
    );
    expect(world.one("aws:kms/key:Key")).toMatchObject({ protect: deletionProtection, retainOnDelete: true });
    const copying = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";
    expect(world.one(copying)).toMatchObject({ protect: deletionProtection, retainOnDelete: false });
  },
);
