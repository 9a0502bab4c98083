/** The local cloud's S3, by AWS' own SDK. */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testS3, type TestS3 } from "../s3";

let s3: TestS3;
let client: S3Client;
const Bucket = "plain";
const versioned = { Bucket: "versioned" };
beforeAll(async () => {
  s3 = await testS3({ plain: {}, versioned: { versioning: "Enabled" } });
  client = s3.client();
});
afterAll(() => s3.close());

const put = (Key: string, Body: string, bucket = Bucket) =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
const get = async (Key: string, more: { Bucket?: string; Range?: string; VersionId?: string } = {}) =>
  (await client.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body?.transformToString();

describe("objects", () => {
  test("come back as they were put, with their headers and metadata", async () => {
    const Metadata = { first: "1", umlaut: "a b" };
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: "a/b",
        Body: "hello",
        ContentType: "text/plain",
        Metadata,
        CacheControl: "no-store",
      }),
    );
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "a/b", ChecksumMode: "ENABLED" }));
    expect(head).toMatchObject({
      ContentLength: 5,
      ContentType: "text/plain",
      CacheControl: "no-store",
      Metadata,
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      ChecksumCRC32: "NhCmhg==",
      ChecksumType: "FULL_OBJECT",
    });
    expect(await get("a/b")).toBe("hello");
  });

  test.each([
    ["bytes=1-3", "ell"],
    ["bytes=-2", "lo"],
    ["bytes=2-", "llo"],
    ["bytes=0-99", "hello"],
    ["bytes=3-1", "hello"],
  ])("in part: %s", async (Range, expected) => {
    await put("range", "hello");
    expect(await get("range", { Range })).toBe(expected);
  });

  test("a range beyond the end is refused", async () => {
    await put("range", "hello");
    await expect(get("range", { Range: "bytes=5-" })).rejects.toMatchObject({ name: "InvalidRange" });
  });

  test("an empty one is an object too", async () => {
    await put("empty", "");
    expect(await get("empty")).toBe("");
  });

  test.each([
    "a b+c",
    "ünï/ço∂e/😀",
    "%2F..%2e",
    "a//b/",
    "../../etc/passwd",
    "a&<>\"'",
    "tab\tand\nline\r",
    "x".repeat(1024),
  ])("may have any key: %j", async (key) => {
    await put(key, key);
    expect(await get(key)).toBe(key);
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: key }));
    expect(Contents?.map(({ Key }) => Key)).toContain(key);
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: key }] } }));
    await expect(get(key)).rejects.toMatchObject({ name: "NoSuchKey" });
  });

  test("a key of more than 1,024 bytes is refused", async () => {
    await expect(put("ü".repeat(513), "")).rejects.toMatchObject({ name: "KeyTooLongError" });
  });
});

describe("lists", () => {
  beforeAll(async () => {
    for (const key of ["l/a", "l/b/1", "l/b/2", "l/c", "l/😀", "l/ｚ"]) await put(key, key);
  });

  test("are in the order of the keys' bytes, in pages", async () => {
    const pages = paginateListObjectsV2({ client, pageSize: 2 }, { Bucket, Prefix: "l/" });
    const found = [];
    for await (const { Contents = [] } of pages) found.push(Contents.map(({ Key }) => Key));
    expect(found).toEqual([
      ["l/a", "l/b/1"],
      ["l/b/2", "l/c"],
      ["l/ｚ", "l/😀"],
    ]);
  });

  test("with a delimiter take what is below it as one, across pages", async () => {
    const pages = paginateListObjectsV2({ client, pageSize: 2 }, { Bucket, Prefix: "l/", Delimiter: "/" });
    const found = [];
    for await (const { Contents = [], CommonPrefixes = [], KeyCount } of pages)
      found.push([...Contents.map(({ Key }) => Key), ...CommonPrefixes.map(({ Prefix }) => Prefix), KeyCount]);
    expect(found).toEqual([
      ["l/a", "l/b/", 2],
      ["l/c", "l/ｚ", 2],
      ["l/😀", 1],
    ]);
  });

  test("begin after a key", async () => {
    const { Contents } = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix: "l/", StartAfter: "l/b/1", MaxKeys: 1 }),
    );
    expect(Contents?.map(({ Key }) => Key)).toEqual(["l/b/2"]);
  });
});

describe("versions", () => {
  test("stay when an object is put again and deleted, and are listed newest first", async () => {
    const first = await put("v", "1", "versioned");
    const second = await put("v", "2", "versioned");
    const marker = await client.send(new DeleteObjectCommand({ ...versioned, Key: "v" }));
    expect(marker.DeleteMarker).toBe(true);
    await expect(get("v", versioned)).rejects.toMatchObject({ name: "NoSuchKey" });
    expect(await get("v", { ...versioned, VersionId: first.VersionId! })).toBe("1");
    const listed = await client.send(new ListObjectVersionsCommand({ ...versioned, Prefix: "v" }));
    expect(listed.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [second.VersionId, false],
      [first.VersionId, false],
    ]);
    expect(listed.DeleteMarkers).toMatchObject([{ VersionId: marker.VersionId, IsLatest: true }]);
    await client.send(new DeleteObjectCommand({ ...versioned, Key: "v", VersionId: marker.VersionId }));
    expect(await get("v", versioned)).toBe("2");
    await client.send(new DeleteObjectCommand({ ...versioned, Key: "v", VersionId: second.VersionId }));
    expect(await get("v", versioned)).toBe("1");
  });

  test("are listed in pages that lose none", async () => {
    for (const n of [1, 2, 3, 4, 5]) await put(`p/${n % 2}`, String(n), "versioned");
    const found = [];
    let markers: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
    for (;;) {
      const listed = await client.send(
        new ListObjectVersionsCommand({ ...versioned, Prefix: "p/", MaxKeys: 2, ...markers }),
      );
      for (const { Key, VersionId } of listed.Versions ?? [])
        found.push(await get(Key!, { ...versioned, VersionId: VersionId! }));
      if (!listed.IsTruncated) break;
      markers = { KeyMarker: listed.NextKeyMarker, VersionIdMarker: listed.NextVersionIdMarker };
    }
    expect(found).toEqual(["4", "2", "5", "3", "1"]);
  });
});

describe("conditions", () => {
  const putNew = (Key: string, Body: string) =>
    client.send(new PutObjectCommand({ ...versioned, Key, Body, IfNoneMatch: "*" }));

  test("of twenty that put a new object at once, exactly one does", async () => {
    const done = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => putNew("once", String(n))));
    const won = done.flatMap(({ status }, n) => (status === "fulfilled" ? [String(n)] : []));
    expect(won).toHaveLength(1);
    expect(
      done.filter((one) => one.status === "rejected" && (one.reason as Error).name === "PreconditionFailed"),
    ).toHaveLength(19);
    expect(await get("once", versioned)).toBe(won[0]);
    const { Versions } = await client.send(new ListObjectVersionsCommand({ ...versioned, Prefix: "once" }));
    expect(Versions).toHaveLength(1);
  });

  test("what a delete marker hides may be put anew", async () => {
    await putNew("hidden", "1");
    await client.send(new DeleteObjectCommand({ ...versioned, Key: "hidden" }));
    await putNew("hidden", "2");
    expect(await get("hidden", versioned)).toBe("2");
  });

  test("an object is replaced only where it is what the writer has seen", async () => {
    const { ETag } = await put("swap", "1");
    await client.send(new PutObjectCommand({ Bucket, Key: "swap", Body: "2", IfMatch: ETag }));
    await expect(
      client.send(new PutObjectCommand({ Bucket, Key: "swap", Body: "3", IfMatch: ETag })),
    ).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    expect(await get("swap")).toBe("2");
  });
});
