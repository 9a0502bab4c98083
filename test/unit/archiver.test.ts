/** What the archiver's pod is given: its rights in the bucket, and its ways to the database. */
import { beforeAll, describe, expect, test } from "vitest";
import type { PodTemplate } from "./kubernetesTypes";
import { type World } from "./mocks";
import { worldOf } from "./worlds";

interface Statement {
  Sid: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: unknown;
}

let world: World<unknown>;
let statements: Statement[];
const name = "authensor-prod-archive";
beforeAll(async () => {
  world = await worldOf("prod");
  const policy = world.one("aws:iam/rolePolicy:RolePolicy", name).inputs.policy as string;
  statements = (JSON.parse(policy) as { Statement: Statement[] }).Statement;
});

describe("the archiver", () => {
  test("may add to the bucket and read it; it may not delete, change a lock, or do anything else", () => {
    expect(statements.flatMap(({ Action }) => Action).sort()).toEqual([
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "s3:AbortMultipartUpload",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetObject",
      "s3:GetObjectRetention",
      "s3:GetObjectVersion",
      "s3:ListBucket",
      "s3:ListBucketVersions",
      "s3:PutObject",
      "s3:PutObject",
    ]);
  });

  test("may write only where nothing is: what makes an object comes with If-None-Match", () => {
    expect(statements.filter(({ Action }) => Action === "s3:PutObject").map(({ Condition }) => Condition)).toEqual([
      { Null: { "s3:if-none-match": "false" } },
      { Bool: { "s3:ObjectCreationOperation": "false" } },
    ]);
  });

  test("reaches the archive and the dumps of this bucket and its key, nothing else, and no report of a drill", () => {
    const { arn } = world.one("aws:s3/bucket:Bucket").computed as { arn: string };
    const key = world.one("aws:kms/key:Key", "authensor-prod-backups-key").computed as { arn: string };
    const resources = new Set(statements.flatMap(({ Resource }) => Resource));
    const folders = ["archives", "dumps", "manifests", "months", "parts", "segments"].map(
      (folder) => `${arn}/${folder}/*`,
    );
    expect([...resources].sort()).toEqual([key.arn, arn, ...folders].sort());
  });

  test("reads by its own login, of the replica where there is one, and is told the bucket", () => {
    const spec = world.one("kubernetes:batch/v1:CronJob", name).inputs.spec as {
      schedule: string;
      concurrencyPolicy: string;
      jobTemplate: { spec: { template: PodTemplate } };
    };
    expect(spec).toMatchObject({ schedule: "*/5 * * * *", concurrencyPolicy: "Forbid" });
    const [container] = spec.jobTemplate.spec.template.spec.containers;
    const env = Object.fromEntries(container!.env.map((variable) => [variable.name, variable.value]));
    expect(env).toMatchObject({ ENVIRONMENT: "prod", BACKUP_REGION: "eu-north-1", ARCHIVE_KNOWN_FLAWS: "0" });
    expect(env).toMatchObject({
      BACKUP_BUCKET_OWNER: "000000000000",
      BACKUP_LOCK_MODE: "COMPLIANCE",
      BACKUP_LOCK_DAYS: "365",
    });
    expect(env, "150 MB: docs/performance.md").toMatchObject({
      NODE_OPTIONS: "--max-semi-space-size=2",
    });
    expect(Object.keys(env)).toEqual(
      expect.arrayContaining(["DATABASE_URL_FILE", "REPLICA_URL_FILE", "BACKUP_BUCKET"]),
    );
  });

  test("comes to the primary directly: PgBouncer would end a snapshot after a minute, and auditors may have one connection", () => {
    const { spec } = world.one("kubernetes:batch/v1:CronJob", name).inputs as {
      spec: { jobTemplate: { spec: { template: PodTemplate } } };
    };
    expect(spec.jobTemplate.spec.template.metadata.labels).not.toHaveProperty("authensor.io/pgbouncer-client");
  });
});
