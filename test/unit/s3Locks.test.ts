/** The local cloud's S3: what is locked stays, whoever asks. */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockMode,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { lockedBucket, testS3, type TestS3 } from "../s3";

const day = 24 * 3600 * 1000;
const Bucket = "locked";
let s3: TestS3;
let client: S3Client;
beforeAll(async () => {
  s3 = await testS3({ locked: lockedBucket, plain: {} });
  client = s3.client();
});
afterEach(() => void (s3.ahead = 0));
afterAll(() => s3.close());

let count = 0;
async function put(more: { ObjectLockMode?: ObjectLockMode; ObjectLockRetainUntilDate?: Date } = {}) {
  const Key = `key ${++count}`;
  const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: "kept", ...more }));
  return { Bucket, Key, VersionId };
}
/** A whole second, which is what a header's date can say. */
const begun = Math.floor(Date.now() / 1000) * 1000;
const inDays = (days: number) => new Date(begun + days * day);
const retain = (version: Awaited<ReturnType<typeof put>>, Mode: ObjectLockMode, until: Date, bypass = false) =>
  client.send(
    new PutObjectRetentionCommand({
      ...version,
      Retention: { Mode, RetainUntilDate: until },
      BypassGovernanceRetention: bypass,
    }),
  );
const remove = (version: Awaited<ReturnType<typeof put>>, bypass = false) =>
  client.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: bypass }));
const untilOf = async (version: Awaited<ReturnType<typeof put>>) =>
  (await client.send(new GetObjectRetentionCommand(version))).Retention?.RetainUntilDate;

const denied = { name: "AccessDenied" };
const compliance = () => ({ ObjectLockMode: "COMPLIANCE" as const, ObjectLockRetainUntilDate: inDays(10) });

test("what is put is locked as the bucket says, and says so", async () => {
  const version = await put();
  const { ObjectLockMode, ObjectLockRetainUntilDate } = await client.send(new HeadObjectCommand(version));
  expect(ObjectLockMode).toBe("GOVERNANCE");
  expect(Math.abs(ObjectLockRetainUntilDate!.getTime() - inDays(30).getTime())).toBeLessThan(5000);
  const { ObjectLockConfiguration } = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
  expect(ObjectLockConfiguration?.Rule?.DefaultRetention).toEqual({ Mode: "GOVERNANCE", Days: 30 });
});

describe("a locked version", () => {
  test("is not deleted; a delete without a version only hides it", async () => {
    const version = await put();
    await expect(remove(version)).rejects.toMatchObject(denied);
    expect((await remove({ ...version, VersionId: undefined })).DeleteMarker).toBe(true);
    expect(await (await client.send(new GetObjectCommand(version))).Body?.transformToString()).toBe("kept");
  });

  test("is not deleted among many, and the others are", async () => {
    const version = await put();
    const { Deleted, Errors } = await client.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: [{ Key: version.Key, VersionId: version.VersionId! }, { Key: "another" }] },
      }),
    );
    expect(Errors).toMatchObject([{ Key: version.Key, Code: "AccessDenied" }]);
    expect(Deleted).toMatchObject([{ Key: "another", DeleteMarker: true }]);
  });

  test("under GOVERNANCE goes for who asks for it", async () => {
    const version = await put();
    await remove(version, true);
    await expect(client.send(new HeadObjectCommand(version))).rejects.toMatchObject({ name: "NotFound" });
  });

  test("under COMPLIANCE does not go, whoever asks", async () => {
    await expect(remove(await put(compliance()), true)).rejects.toMatchObject(denied);
  });

  test("goes once its time is over", async () => {
    const version = await put(compliance());
    s3.ahead = 10 * day - 60_000;
    await expect(remove(version)).rejects.toMatchObject(denied);
    s3.ahead = 10 * day + 60_000;
    await remove(version);
  });

  test("is locked again by nobody who turns the clock back", async () => {
    const version = await put(compliance());
    s3.ahead = -day;
    await expect(remove(version, true)).rejects.toMatchObject(denied);
  });
});

describe("a retention", () => {
  test("grows", async () => {
    const version = await put();
    await retain(version, "GOVERNANCE", inDays(60));
    expect(await untilOf(version)).toEqual(inDays(60));
  });

  test("under GOVERNANCE shrinks, goes or changes its mode only for who asks to bypass it", async () => {
    const version = await put();
    const before = await untilOf(version);
    await expect(retain(version, "GOVERNANCE", inDays(1))).rejects.toMatchObject(denied);
    await expect(retain(version, "COMPLIANCE", inDays(1))).rejects.toMatchObject(denied);
    await expect(client.send(new PutObjectRetentionCommand({ ...version, Retention: {} }))).rejects.toMatchObject(
      denied,
    );
    expect(await untilOf(version)).toEqual(before);
    await retain(version, "GOVERNANCE", inDays(1), true);
    expect(await untilOf(version)).toEqual(inDays(1));
  });

  test("under COMPLIANCE neither shrinks nor becomes GOVERNANCE, bypass or not", async () => {
    const version = await put(compliance());
    await expect(retain(version, "COMPLIANCE", inDays(9), true)).rejects.toMatchObject(denied);
    await expect(retain(version, "GOVERNANCE", inDays(99), true)).rejects.toMatchObject(denied);
    await retain(version, "COMPLIANCE", inDays(11));
    expect(await untilOf(version)).toEqual(inDays(11));
  });

  test("in the past is refused", async () => {
    await expect(retain(await put(), "GOVERNANCE", inDays(-1), true)).rejects.toMatchObject({
      name: "InvalidArgument",
    });
    await expect(put({ ...compliance(), ObjectLockRetainUntilDate: inDays(-1) })).rejects.toMatchObject({
      name: "InvalidArgument",
    });
  });

  test("by a mode without a date is refused", async () => {
    await expect(put({ ObjectLockMode: "GOVERNANCE" })).rejects.toMatchObject({ name: "InvalidArgument" });
  });

  test("is refused in a bucket without Object Lock", async () => {
    await client.send(new PutObjectCommand({ Bucket: "plain", Key: "k", Body: "" }));
    await expect(
      retain({ Bucket: "plain", Key: "k", VersionId: undefined }, "GOVERNANCE", inDays(1)),
    ).rejects.toMatchObject({ name: "InvalidRequest" });
    await expect(
      client.send(new PutObjectCommand({ Bucket: "plain", Key: "k", Body: "", ...compliance() })),
    ).rejects.toMatchObject({ name: "InvalidRequest" });
  });
});

describe("a legal hold", () => {
  const hold = (version: Awaited<ReturnType<typeof put>>, Status: "ON" | "OFF") =>
    client.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status } }));

  test("keeps a version past its retention, bypass or not, until it is lifted", async () => {
    const version = await put();
    await hold(version, "ON");
    s3.ahead = 31 * day;
    await expect(remove(version, true)).rejects.toMatchObject(denied);
    expect((await client.send(new HeadObjectCommand(version))).ObjectLockLegalHoldStatus).toBe("ON");
    await hold(version, "OFF");
    await remove(version);
  });
});

test("an upload to be locked must come with a checksum of its bytes", async () => {
  const bare = s3.client({ requestChecksumCalculation: "WHEN_REQUIRED" });
  bare.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      for (const name of Object.keys(headers)) if (name.startsWith("x-amz-checksum")) delete headers[name];
      return next(args);
    },
    { step: "build", priority: "low" },
  );
  await expect(bare.send(new PutObjectCommand({ Bucket, Key: "bare", Body: "x" }))).rejects.toMatchObject({
    name: "InvalidRequest",
  });
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: "bare" }))).rejects.toMatchObject({ name: "NotFound" });
});
