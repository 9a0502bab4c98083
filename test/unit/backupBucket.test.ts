import { describe, expect, test } from "vitest";
import { BackupBucket, type BackupBucketArgs } from "../../components/backup/backupBucket";
import { daysOfMonths, lifecycleRules } from "../../components/backup/backupRules";
import { record, type World } from "./mocks";

const args = {
  region: "eu-north-1",
  lockMode: "COMPLIANCE",
  lockDays: 365,
  retentionDays: 744,
  deletionProtection: true,
  keepAfterDestroy: true,
  tags: { team: "platform" },
} satisfies BackupBucketArgs;

const build = (changes: Partial<BackupBucketArgs> = {}) => record(() => new BackupBucket("b", { ...args, ...changes }));

interface Statement {
  Sid: string;
  Effect: string;
  Principal: unknown;
  Action: string | string[];
  Resource: string[];
  Condition?: Record<string, Record<string, string>>;
}

function statementsOf(world: World<unknown>): Record<string, Statement> {
  const policy = JSON.parse(String(world.one("aws:s3/bucketPolicy:BucketPolicy").inputs.policy)) as {
    Statement: Statement[];
  };
  return Object.fromEntries(policy.Statement.map((statement) => [statement.Sid, statement]));
}

const statements = async (changes: Partial<BackupBucketArgs> = {}) => statementsOf(await build(changes));

describe("the backup bucket", () => {
  test("is exactly these resources, all of them in the backup region", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:backup:BackupBucket b",
      "aws:kms/alias:Alias b-key",
      "aws:kms/key:Key b-key",
      "aws:s3/bucket:Bucket b",
      "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration b",
      "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration b",
      "aws:s3/bucketOwnershipControls:BucketOwnershipControls b",
      "aws:s3/bucketPolicy:BucketPolicy b",
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock b",
      "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration b",
      "aws:s3/bucketVersioning:BucketVersioning b",
    ]);
    for (const child of world.resources.filter((r) => r.custom)) {
      expect(child.inputs.region, child.type).toBe("eu-north-1");
      expect(child.parent).toBe("b");
    }
    for (const child of world.resources.filter((r) => r.type.startsWith("aws:s3/bucket") && r.type !== bucketType)) {
      expect(child.inputs.bucket, child.type).toBe("b-abc1234");
    }
  });

  const bucketType = "aws:s3/bucket:Bucket";

  test("has Object Lock from its first day, and is never emptied by Pulumi", async () => {
    const world = await build();
    expect(world.one(bucketType)).toMatchObject({
      protect: true,
      inputs: { objectLockEnabled: true, forceDestroy: false },
    });
    expect((await build({ deletionProtection: false })).one(bucketType).protect).toBe(false);
  });

  test("is left by a destroy with its key and all that guards it, where it is to be kept", async () => {
    for (const { name, type, custom, retainOnDelete } of (await build()).resources)
      expect([type, name, retainOnDelete]).toEqual([type, name, custom]);
  });

  test("is never stripped of what guards it: its parts go with it, or stay with a bucket that cannot be deleted yet", async () => {
    const world = await build({ keepAfterDestroy: false });
    const goes = world.resources.filter(({ custom, retainOnDelete }) => custom && !retainOnDelete);
    expect(goes.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "aws:kms/alias:Alias b-key",
      "aws:kms/key:Key b-key",
      "aws:s3/bucket:Bucket b",
    ]);
  });

  test("locks every object by default, once versions are kept", async () => {
    const world = await build();
    const versioning = world.one("aws:s3/bucketVersioning:BucketVersioning");
    expect(versioning.inputs.versioningConfiguration).toEqual({ status: "Enabled" });
    const lock = world.one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration");
    expect(lock.inputs.rule).toEqual({ defaultRetention: { mode: "COMPLIANCE", days: 365 } });
    expect(lock.dependencies).toContain(versioning.urn);
  });

  test("encrypts with a key of its own that rotates, and takes no key that a client brings (SSE-C)", async () => {
    const world = await build();
    expect(
      world.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").inputs.rules,
    ).toEqual([
      {
        applyServerSideEncryptionByDefault: {
          sseAlgorithm: "aws:kms",
          kmsMasterKeyId: world.arnOf("aws:kms/key:Key"),
        },
        bucketKeyEnabled: true,
        blockedEncryptionTypes: ["SSE-C"],
      },
    ]);
    expect(world.one("aws:kms/key:Key").inputs).toMatchObject({ enableKeyRotation: true });
  });

  test("keeps its key for as long as there is a bucket to read", async () => {
    const world = await build();
    const key = world.one("aws:kms/key:Key");
    expect(key.protect).toBe(true);
    expect(world.one(bucketType).dependencies).toContain(key.urn);
    expect((await build({ deletionProtection: false })).one("aws:kms/key:Key").protect).toBe(false);
  });

  test("is closed to the public in all four ways, and knows no access lists", async () => {
    const world = await build();
    expect(world.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs).toMatchObject({
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(world.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs.rule).toEqual({
      objectOwnership: "BucketOwnerEnforced",
    });
  });

  test("refuses to expire objects while they are locked", async () => {
    await expect(build({ lockDays: 800 })).rejects.toThrow(/retentionDays 744 is below lockDays 800/);
  });
});

describe("the bucket's policy", () => {
  test("denies to everyone, without exception, and allows nothing", async () => {
    const all = Object.values(await statements());
    expect(all).toHaveLength(7);
    for (const statement of all) expect([statement.Effect, statement.Principal]).toEqual(["Deny", "*"]);
  });

  test("denies whatever comes without TLS, or with a TLS older than 1.2", async () => {
    const { TlsOnly, Tls12OrNewer } = await statements();
    const everywhere = { Action: "s3:*", Resource: ["arn:aws:s3:::b-abc1234", "arn:aws:s3:::b-abc1234/*"] };
    expect(TlsOnly).toMatchObject({ ...everywhere, Condition: { Bool: { "aws:SecureTransport": "false" } } });
    expect(Tls12OrNewer).toMatchObject({ ...everywhere, Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" } } });
  });

  test("denies uploads that name another encryption or another key, and not those that name none", async () => {
    const world = await build();
    const { NoOtherEncryption, NoOtherKey } = statementsOf(world);
    expect(NoOtherEncryption?.Condition).toEqual({
      StringNotEquals: { "s3:x-amz-server-side-encryption": "aws:kms" },
      Null: { "s3:x-amz-server-side-encryption": "false" },
    });
    expect(NoOtherKey?.Condition).toEqual({
      StringNotEquals: {
        "s3:x-amz-server-side-encryption-aws-kms-key-id": world.arnOf("aws:kms/key:Key"),
      },
      Null: { "s3:x-amz-server-side-encryption-aws-kms-key-id": "false" },
    });
  });

  test.each(["COMPLIANCE", "GOVERNANCE"] as const)(
    "of a bucket in %s mode denies locks of the other mode, and not uploads that name none",
    async (lockMode) => {
      const { NoOtherLockMode } = await statements({ lockMode });
      expect(NoOtherLockMode).toMatchObject({
        Action: ["s3:PutObject", "s3:PutObjectRetention"],
        Resource: ["arn:aws:s3:::b-abc1234/*"],
        Condition: {
          StringNotEquals: { "s3:object-lock-mode": lockMode },
          Null: { "s3:object-lock-mode": "false" },
        },
      });
    },
  );

  test("denies a lock shorter than the default, lifting locks, and deleting versions", async () => {
    const { NoShorterLock, NoLiftingOfLocksNoDeletionOfVersions } = await statements();
    expect(NoShorterLock).toMatchObject({
      Action: ["s3:PutObject", "s3:PutObjectRetention"],
      Condition: { NumericLessThan: { "s3:object-lock-remaining-retention-days": "365" } },
    });
    expect(NoLiftingOfLocksNoDeletionOfVersions).toMatchObject({
      Action: ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
      Resource: ["arn:aws:s3:::b-abc1234/*"],
    });
    expect(NoLiftingOfLocksNoDeletionOfVersions).not.toHaveProperty("Condition");
  });
});

test.each([
  [1, 31],
  [2, 62],
  [6, 184],
  [12, 366],
  [24, 731],
  [60, 1827],
])("%d months in a row are %d days at most", (months, days) => {
  expect(daysOfMonths(months)).toBe(days);
});

describe("the bucket's lifecycle", () => {
  test("moves objects to colder classes, expires them after the retention, and their versions a day later", () => {
    const [rule] = lifecycleRules(744);
    expect(rule).toEqual({
      id: "colder-then-gone",
      status: "Enabled",
      filter: {},
      transitions: [
        { days: 30, storageClass: "STANDARD_IA" },
        { days: 90, storageClass: "GLACIER_IR" },
      ],
      expiration: { days: 744 },
      noncurrentVersionExpiration: { noncurrentDays: 1 },
    });
  });

  test("clears what expired and what was never finished", () => {
    expect(lifecycleRules(744)[1]).toEqual({
      id: "leftovers",
      status: "Enabled",
      filter: {},
      expiration: { expiredObjectDeleteMarker: true },
      abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
    });
  });

  // S3 refuses a transition on or after the day of expiry.
  test.each([
    [744, 2],
    [91, 2],
    [90, 1],
    [31, 1],
    [30, 0],
  ])("with a retention of %d days has %d transitions", (retentionDays, count) => {
    expect(lifecycleRules(retentionDays)[0]?.transitions).toHaveLength(count);
  });

  test("is what the bucket has", async () => {
    const world = await build();
    const lifecycle = world.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration");
    expect(lifecycle.inputs.rules).toEqual(lifecycleRules(args.retentionDays));
    expect(lifecycle.dependencies).toContain(world.one("aws:s3/bucketVersioning:BucketVersioning").urn);
  });
});
