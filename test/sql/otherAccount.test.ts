/** The locked bucket in another account: the database's programs do their work there, and nothing that their account may do undoes it. */
import {
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { jsonStringify, type Input } from "@pulumi/pulumi";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { bucketPolicy } from "../../components/backup/backupRules";
import { archiverStatements, holdStatements } from "../../components/backup/bucketRights";
import { ofBucket, visitorStatements } from "../../components/backup/otherAccount";
import { Bucket, connectBucket } from "../../ops/archive/bucket";
import { assertLocks } from "../../ops/archive/assertLocks";
import { manifestKey } from "../../ops/archive/keys";
import { archive } from "../../ops/archive/run";
import { dump } from "../../ops/dump/run";
import { applyHolds } from "../../ops/hold/apply";
import { record } from "../../ops/hold/record";
import { silentLog } from "../../ops/log";
import { compact } from "../../ops/months/compact";
import { roles } from "../../ops/roles";
import { month, monthName } from "../months";
import { startPostgres, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";

const { signal } = new AbortController();
const name = "another-accounts";
const keyArn = `arn:aws:kms:${testRegion}:210987654321:key/k`;
const there = { arn: `arn:aws:s3:::${name}`, region: testRegion, keyArn };
const everything = [{ Effect: "Allow", Action: ["s3:*", "kms:*"], Resource: "*" }];
const [archiver, holder, administrator, stranger] = [
  "authensor-prod-archive-1a2b3c4",
  "authensor-prod-hold-1a2b3c4",
  "authensor-prod-archive-administrators-own",
  "somebody-else",
];
let server: TestPostgres;
let s3: TestS3;
let client: pg.Client;

const written = (value: Input<object>) => new Promise<string>((done) => jsonStringify(value).apply(done));
const as = (role: string) => {
  const bucket = new Bucket(s3.as(role), name, signal);
  bucket.client.config.forcePathStyle = true;
  return bucket;
};

beforeAll(async () => {
  const [archives, holds] = await Promise.all([archiverStatements(there), holdStatements(there)].map(written));
  [server, s3] = await Promise.all([
    startPostgres(),
    testS3(
      {},
      {
        [archiver]: JSON.parse(archives!) as object[],
        [holder]: JSON.parse(holds!) as object[],
        [administrator]: everything,
        [stranger]: everything,
      },
    ),
  ]);
  const database = await server.createDatabase({ migrated: true });
  await insertReceipts(await database.connect(roles.app), [newReceipt(), newReceipt({ actor_id: "b" })]);
  client = await database.connect(roles.archiver);
  const rules = bucketPolicy({ bucketArn: there.arn, keyArn, lockMode: "GOVERNANCE", lockDays: 30 });
  const visitors = ofBucket(visitorStatements(there, { account: "000000000000", environment: "prod" }));
  makeBucket(s3.root, name, {
    ...lockedBucket,
    bucket: { account: "210987654321" } as never,
    policy: await written({ ...rules, Statement: [...rules.Statement, ...visitors] }),
  });
  const common = { bucket: as(archiver), environment: "prod", told: 0, log: silentLog };
  await archive({ ...common, client, mostRows: 1000 });
  await dump({ ...common, client, manifest: 1 });
  await compact({ ...common, delayDays: 1, now: month(2) });
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

it("tells the archiver, and nobody of the database's account beside the programs, how it locks", async () => {
  const demanding = (role: string) => new Bucket(as(role).client, name, signal, { mode: "GOVERNANCE", days: 30 });
  await assertLocks(demanding(archiver));
  await expect(assertLocks(demanding(stranger))).rejects.toMatchObject({ name: "AccessDenied" });
});

it("is archived into, dumped into, compacted and held by the programs' roles", async () => {
  await record(as(holder), { by: "Jane Roe", reason: "case 1", months: { from: monthName(0), to: monthName(0) } });
  expect(await applyHolds(as(holder), silentLog)).toMatchObject({ problems: [] });
});

const Key = manifestKey(1);
const at = { Bucket: name, Key };
let version: string;
beforeEach(async () => {
  version = (await as(archiver).list(Key))[0]!.versions[0]!.id!;
});
const soon = new Date(Date.now() + 60_000);

it.each<[string, (s3: S3Client) => Promise<unknown>]>([
  [
    "deletes a version",
    (of) => of.send(new DeleteObjectCommand({ ...at, VersionId: version, BypassGovernanceRetention: true })),
  ],
  ["hides one", (of) => of.send(new DeleteObjectCommand(at))],
  ["overwrites one", (of) => of.send(new PutObjectCommand({ ...at, Body: "x", ChecksumAlgorithm: "SHA256" }))],
  [
    "shortens a lock",
    (of) =>
      of.send(
        new PutObjectRetentionCommand({
          ...at,
          VersionId: version,
          Retention: { Mode: "GOVERNANCE", RetainUntilDate: soon },
          BypassGovernanceRetention: true,
        }),
      ),
  ],
  ["lifts a legal hold", (of) => of.send(new PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: "OFF" } }))],
  ["takes the policy away", (of) => of.send(new DeleteBucketPolicyCommand({ Bucket: name }))],
])(
  "nobody of the database's account %s: not with every right there, nor with a role that is named as a program's, nor as its root",
  async (_, act) => {
    for (const client of [as(administrator).client, as(stranger).client, s3.client({ forcePathStyle: true })])
      await expect(act(client)).rejects.toMatchObject({
        name: expect.stringMatching(/AccessDenied|NotImplemented/) as string,
      });
    expect((await as(archiver).list(Key))[0]!.versions).toHaveLength(1);
  },
);

it("is taken for nobody else's: a bucket of its name that another account owns is neither read nor written", async () => {
  vi.stubEnv("AWS_ENDPOINT_URL_S3", s3.url);
  for (const [key, value] of Object.entries({ ...s3.environment, AWS_ACCESS_KEY_ID: archiver })) vi.stubEnv(key, value);
  const listed = (owner: string) => {
    vi.stubEnv("BACKUP_BUCKET_OWNER", owner);
    return connectBucket(name, testRegion, signal).list(Key);
  };
  expect(await listed("210987654321")).toHaveLength(1);
  await expect(listed("333333333333")).rejects.toMatchObject({ name: "AccessDenied" });
  vi.unstubAllEnvs();
});

it("is not even read by roles of the database's account that are no program's", async () => {
  await expect(as(stranger).read(Key)).rejects.toMatchObject({
    name: "AccessDenied",
    message: expect.stringMatching(/no resource-based policy allows the s3:GetObject action/) as string,
  });
});
