import { describe, expect, test } from "vitest";
import program from "../../backup-account";
import { effectOf, readPolicy } from "../../cloud/aws/iam/policy";
import { record } from "./mocks";

const project = "authensor-backup-account";
const settings = {
  environment: "prod",
  backupRegion: "eu-north-1",
  databaseAccountId: "123456789012",
  lockMode: "COMPLIANCE",
  lockDays: "365",
};
const run = (more: Record<string, string> = {}) =>
  record(program, {
    project,
    config: Object.fromEntries(
      Object.entries({ ...settings, ...more }).map(([key, value]) => [`${project}:${key}`, value]),
    ),
  });

describe("the program of the bucket's own account", () => {
  test("makes the bucket that the database's program would make, and tells what that is to be set to", async () => {
    const world = await run();
    expect(world.census.filter((entry) => entry.startsWith("authensor:"))).toEqual([
      "authensor:backup:BackupBucket authensor-prod-backups",
    ]);
    expect(world.one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs.rule).toEqual({
      defaultRetention: { mode: "COMPLIANCE", days: 365 },
    });
    expect(world.one("aws:s3/bucket:Bucket")).toMatchObject({ protect: true, retainOnDelete: true });
    expect(world.stackOutputs.values).toEqual({
      backupRegion: "eu-north-1",
      backupBucketArn: "arn:aws:s3:::authensor-prod-backups-abc1234",
      backupBucketKmsKeyArn: world.arnOf("aws:kms/key:Key"),
    });
  });

  test("has a key that its own account governs, and that the database's programs use through S3 alone", async () => {
    const world = await run();
    const policy = readPolicy(String(world.one("aws:kms/key:Key").inputs.policy));
    const may = (action: string, role: string, via = "s3.eu-north-1.amazonaws.com", account = "123456789012") => {
      const principal = `arn:aws:iam::${account}:${role}`;
      const keys = { "aws:PrincipalArn": principal, "kms:ViaService": via };
      return effectOf(policy, { action, resource: "*", principal, keys }) === "Allow";
    };
    const archive = "role/authensor-prod-archive-abc1234";
    expect(may("kms:GenerateDataKey", archive)).toBe(true);
    expect(may("kms:Decrypt", "role/authensor-prod-verify-archived-abc1234")).toBe(true);
    expect(may("kms:GenerateDataKey", "role/authensor-prod-verify-archived-abc1234")).toBe(false);
    expect(may("kms:Decrypt", archive, "rds.eu-north-1.amazonaws.com")).toBe(false);
    for (const action of ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:DisableKey"])
      expect(may(action, archive), action).toBe(false);
    expect(may("kms:Decrypt", "role/somebody")).toBe(false);
    expect(may("kms:Decrypt", archive, undefined, "999999999999")).toBe(false);
    expect(may("kms:ScheduleKeyDeletion", "root", undefined, "000000000000")).toBe(true);
  });

  test("has a bucket policy that S3 takes: no longer than 20 KB, and each statement with a name of its own", async () => {
    const policy = String((await run()).one("aws:s3/bucketPolicy:BucketPolicy").inputs.policy);
    expect(Buffer.byteLength(policy)).toBeLessThan(20 * 1024);
    const sids = (JSON.parse(policy) as { Statement: { Sid: string }[] }).Statement.map(({ Sid }) => Sid);
    expect(new Set(sids).size).toBe(sids.length);
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ databaseAccountId: "1" }, /databaseAccountId = 1\n {4}rule: the AWS account id of the database/],
    [{ awsAccountId: "123456789012" }, /databaseAccountId = 123456789012\n {4}rule: .* and not the bucket's/],
    [{ lockday: "1" }, /lockday = 1\n {4}rule: unknown key; there are environment, backupRegion/],
    [{ lockDays: "0", lockMode: "none" }, /^2 problems in the configuration/],
  ])("refuses %j", async (more, message) => {
    await expect(run(more)).rejects.toThrow(message);
  });
});
