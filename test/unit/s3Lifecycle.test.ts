/** The local cloud's S3: what becomes of objects as time passes. */
import {
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeEach, expect, test } from "vitest";
import { handlers } from "../../cloud/aws/s3/handlers";
import type { BucketSettings } from "../../cloud/aws/s3/settings";
import { lifecycleRules } from "../../components/backup/backupRules";
import { lockedBucket, testS3, type TestS3 } from "../s3";

const day = 24 * 3600 * 1000;
const lifecycleType = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration";
const rule = {
  id: "all",
  prefix: "",
  transitions: [
    { days: 30, storageClass: "STANDARD_IA" },
    { days: 90, storageClass: "GLACIER_IR" },
  ],
  expirationDays: 100,
  noncurrentDays: 1,
  expiredObjectDeleteMarker: true,
  abortUploadsAfterDays: 7,
};

const opened: TestS3[] = [];
let s3: TestS3;
let client: S3Client;
const Bucket = "kept";
async function world(settings: BucketSettings) {
  s3 = await testS3({ [Bucket]: { lifecycle: [rule], ...settings } });
  opened.push(s3);
  client = s3.client();
}
beforeEach(() => world(lockedBucket));
afterAll(() => Promise.all(opened.map((one) => one.close())));

const put = (Key: string) => client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
const versions = async () => {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
  return [Versions.length, DeleteMarkers.length];
};
async function afterDays(days: number) {
  s3.ahead = days * day;
  await s3.applyLifecycles();
}

test("objects grow colder, are hidden after their days, and go a day later, when nothing locks them", async () => {
  await put("k");
  await afterDays(29);
  const classNow = async () => (await client.send(new HeadObjectCommand({ Bucket, Key: "k" }))).StorageClass;
  expect(await classNow()).toBeUndefined();
  await afterDays(32);
  expect(await classNow()).toBe("STANDARD_IA");
  await afterDays(92);
  expect(await classNow()).toBe("GLACIER_IR");
  await afterDays(102);
  expect(await versions()).toEqual([1, 1]);
  await afterDays(104);
  expect(await versions()).toEqual([0, 0]);
});

test("what is locked is hidden when its days are over, and stays until its lock has ended", async () => {
  await world({ ...lockedBucket, defaultRetention: { mode: "COMPLIANCE", days: 200 } });
  await put("k");
  await afterDays(102);
  await afterDays(199);
  expect(await versions()).toEqual([1, 1]);
  await afterDays(201);
  expect(await versions()).toEqual([0, 0]);
});

test("a legal hold keeps a version for ever", async () => {
  await put("k");
  await client.send(new PutObjectLegalHoldCommand({ Bucket, Key: "k", LegalHold: { Status: "ON" } }));
  await afterDays(102);
  await afterDays(10_000);
  expect(await versions()).toEqual([1, 1]);
});

test("without versions an object goes when its days are over, and not before the midnight after", async () => {
  await world({});
  await put("k");
  await afterDays(100);
  expect(await versions()).toEqual([1, 0]);
  await afterDays(101);
  expect(await versions()).toEqual([0, 0]);
});

test("a rule for a folder leaves the others alone", async () => {
  await world({ lifecycle: [{ ...rule, prefix: "old/" }] });
  await put("old/k");
  await put("new/k");
  await afterDays(102);
  expect(await versions()).toEqual([1, 0]);
});

test("uploads that were never completed go", async () => {
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "half" }));
  const open = async () => (await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0;
  await afterDays(6);
  expect(await open()).toBe(1);
  await afterDays(9);
  expect(await open()).toBe(0);
});

test("rules by what is not evaluated here are refused", async () => {
  const rules = [{ ...lifecycleRules(100)[0], filter: { tag: { key: "a", value: "b" } } }];
  await expect(handlers[lifecycleType]!.create({ bucket: Bucket, rules }, {} as never)).rejects.toThrow(/filter/);
});
