import { expect, test } from "vitest";
import { BackupReplication } from "../../components/backupReplication";
import { record } from "./mocks";

test("automated backups are copied to the third region, under a key of that region", async () => {
  const sourceArn = "arn:aws:rds:eu-central-1:123456789012:db:p-1";
  const world = await record(() => new BackupReplication("c", { region: "eu-north-1", sourceArn, retentionDays: 35 }));
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
