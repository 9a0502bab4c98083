/** The local cloud's S3: what arrives damaged, unsigned or in parts. */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bucketFiles } from "../../cloud/aws/s3/settings";
import { faultyProxy, type FaultyProxy } from "../faultyProxy";
import { lockedBucket, testS3, type TestS3 } from "../s3";

let s3: TestS3;
let client: S3Client;
let proxy: FaultyProxy;
const Bucket = "plain";
beforeAll(async () => {
  s3 = await testS3({ plain: {}, locked: lockedBucket });
  client = s3.client();
  proxy = await faultyProxy(s3.url);
});
afterAll(async () => {
  await proxy.close();
  await s3.close();
});

const MiB = 1024 * 1024;
const absent = (Key: string, bucket = Bucket) =>
  expect(client.send(new HeadObjectCommand({ Bucket: bucket, Key }))).rejects.toMatchObject({ name: "NotFound" });
const leftovers = () => readdirSync(bucketFiles(s3.root, Bucket).incoming);

describe("checksums", () => {
  test.each<[ChecksumAlgorithm, string]>([
    ["CRC32", "NhCmhg=="],
    ["CRC32C", "mnG7TA=="],
    ["CRC64NVME", "M3eFcAZSQlc="],
    ["SHA1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="],
    ["SHA256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="],
  ])("by %s are checked and kept", async (ChecksumAlgorithm, expected) => {
    await client.send(new PutObjectCommand({ Bucket, Key: "sum", Body: "hello", ChecksumAlgorithm }));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "sum", ChecksumMode: "ENABLED" }));
    expect(head[`Checksum${ChecksumAlgorithm as "SHA256"}`]).toBe(expected);
  });

  test("of a stream come after it, and are checked", async () => {
    const Body = Readable.from([Buffer.alloc(100_000, "a"), Buffer.alloc(50_000, "b")]);
    await client.send(new PutObjectCommand({ Bucket, Key: "stream", Body, ContentLength: 150_000 }));
    const { Body: read } = await client.send(new GetObjectCommand({ Bucket, Key: "stream", ChecksumMode: "ENABLED" }));
    expect(await read?.transformToString()).toBe("a".repeat(100_000) + "b".repeat(50_000));
  });

  test.each([
    ["CRC32", { ChecksumCRC32: "AAAAAA==" }, "BadDigest"],
    ["SHA256", { ChecksumSHA256: createHash("sha256").update("bye").digest("base64") }, "BadDigest"],
    ["MD5", { ContentMD5: createHash("md5").update("bye").digest("base64") }, "BadDigest"],
  ])("a body with a wrong %s leaves nothing", async (_, wrong, name) => {
    await expect(
      client.send(new PutObjectCommand({ Bucket, Key: "wrong", Body: "hello", ...wrong })),
    ).rejects.toMatchObject({ name });
    await absent("wrong");
    expect(leftovers()).toEqual([]);
  });
});

describe("signatures", () => {
  test.each([
    ["a wrong secret", { accessKeyId: "AKIATEST", secretAccessKey: "guess" }, "SignatureDoesNotMatch"],
    ["a key that nobody has", { accessKeyId: "AKIANOBODY", secretAccessKey: "secret" }, "InvalidAccessKeyId"],
  ])("by %s are refused", async (_, credentials, name) => {
    const stranger = s3.client({ credentials });
    await expect(stranger.send(new PutObjectCommand({ Bucket, Key: "forged", Body: "x" }))).rejects.toMatchObject({
      name,
    });
    await absent("forged");
  });

  test("requests without any are refused", async () => {
    const response = await fetch(`${s3.url}/${Bucket}/forged`, { method: "PUT", body: "x" });
    expect([response.status, /<Code>(\w+)</.exec(await response.text())?.[1]]).toEqual([403, "AccessDenied"]);
  });

  test("what is changed on its way is refused", async () => {
    const forging = s3.client();
    forging.middlewareStack.add(
      (next) => (args) => {
        (args.request as { path: string }).path = `/${Bucket}/other`;
        return next(args);
      },
      { step: "deserialize" },
    );
    await expect(forging.send(new PutObjectCommand({ Bucket, Key: "mine", Body: "x" }))).rejects.toMatchObject({
      name: "SignatureDoesNotMatch",
    });
  });

  test("for another region than the bucket's are refused, and told which it is", async () => {
    const elsewhere = s3.client({ region: "us-east-1" });
    await expect(elsewhere.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" }))).rejects.toMatchObject({
      name: "AuthorizationHeaderMalformed",
      Region: "eu-west-1",
    });
  });

  test("by a clock that is half an hour off are refused", async () => {
    const late = s3.client({ systemClockOffset: -30 * 60_000 });
    await expect(late.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" }))).rejects.toMatchObject({
      name: "RequestTimeTooSkewed",
    });
  });
});

describe("what the endpoint does not know it refuses", () => {
  test.each([
    ["GET", `/${Bucket}?tagging`],
    ["PUT", `/${Bucket}/k?acl`],
    ["GET", `/${Bucket}/k?response-content-type=text/html`],
  ])("%s %s", async (method, path) => {
    const asking = s3.client();
    asking.middlewareStack.add(
      (next) => (args) => {
        const [pathname, query] = path.split("?");
        const [name = "", value = ""] = query!.split("=");
        Object.assign(args.request as object, { method, path: pathname, query: { [name]: value } });
        return next(args);
      },
      { step: "build", priority: "low" },
    );
    await expect(asking.send(new GetObjectCommand({ Bucket, Key: "k" }))).rejects.toMatchObject({
      name: "NotImplemented",
    });
  });

  test("a header that would change what is stored", async () => {
    await expect(
      client.send(new PutObjectCommand({ Bucket, Key: "tagged", Body: "x", Tagging: "a=b" })),
    ).rejects.toMatchObject({ name: "NotImplemented" });
    await absent("tagged");
  });
});

describe("an upload in parts", () => {
  const body = randomBytes(5 * MiB + 7);
  const upload = (Key: string, more: Partial<PutObjectCommand["input"]> = {}, s3Client = client) =>
    new Upload({
      client: s3Client,
      params: { Bucket, Key, Body: body, ...more },
      partSize: 5 * MiB,
      leavePartsOnError: true,
    });
  const read = async (Key: string, bucket = Bucket) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return Buffer.from(await Body!.transformToByteArray());
  };

  test("is an object of all its parts, with a checksum and an ETag made of theirs", async () => {
    await upload("parts").done();
    expect((await read("parts")).equals(body)).toBe(true);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "parts", ChecksumMode: "ENABLED" }));
    expect(head.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
    expect(head.ChecksumCRC32).toMatch(/^[\w+/]{6}==-2$/);
    expect(head.ChecksumType).toBe("COMPOSITE");
  });

  test("into a locked bucket is locked", async () => {
    await upload("parts", { Bucket: "locked" }).done();
    const head = await client.send(new HeadObjectCommand({ Bucket: "locked", Key: "parts" }));
    expect(head.ObjectLockMode).toBe("GOVERNANCE");
  });

  test("that is not completed is no object, and is listed until it is aborted", async () => {
    const Key = "half";
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "CRC32" }),
    );
    const { ETag, ChecksumCRC32 } = await client.send(
      new UploadPartCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 1,
        Body: body.subarray(0, 5 * MiB),
        ChecksumAlgorithm: "CRC32",
      }),
    );
    await absent(Key);
    const { Parts } = await client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(Parts).toMatchObject([{ PartNumber: 1, Size: 5 * MiB, ETag }]);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
    expect(Uploads?.map(({ UploadId: id }) => id)).toEqual([UploadId]);
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await expect(
      client.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] },
        }),
      ),
    ).rejects.toMatchObject({ name: "NoSuchUpload" });
    await absent(Key);
  });

  test("is completed only of what came: with its ETags, in order, none but the last too small", async () => {
    const Key = "picky";
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const part = async (PartNumber: number, Body: Uint8Array) => {
      const { ETag } = await client.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC64NVME" }),
      );
      return { PartNumber, ETag };
    };
    const [one, two] = [await part(1, body.subarray(0, 100)), await part(2, body.subarray(0, 100))];
    const complete = (Parts: object[]) =>
      client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
    await expect(complete([one, two])).rejects.toMatchObject({ name: "EntityTooSmall" });
    await expect(complete([two, one])).rejects.toMatchObject({ name: "InvalidPartOrder" });
    await expect(complete([{ ...one, ETag: '"0"' }])).rejects.toMatchObject({ name: "InvalidPart" });
    await expect(complete([{ ...one, PartNumber: 3 }])).rejects.toMatchObject({ name: "InvalidPart" });
    await absent(Key);
    await complete([two]);
    expect(await read(Key)).toEqual(body.subarray(0, 100));
  });

  test("with a checksum made of its parts' takes no part with another, and is not completed without them", async () => {
    const Key = "summed";
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "SHA256" }),
    );
    const part = { Bucket, Key, UploadId, PartNumber: 1, Body: "x" };
    const refused = { name: "InvalidRequest" };
    await expect(client.send(new UploadPartCommand({ ...part, ChecksumAlgorithm: "CRC32" }))).rejects.toMatchObject(
      refused,
    );
    const { ETag, ChecksumSHA256 } = await client.send(new UploadPartCommand({ ...part, ChecksumAlgorithm: "SHA256" }));
    const complete = (one: object) =>
      client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: [one] } }));
    await expect(complete({ PartNumber: 1, ETag })).rejects.toMatchObject(refused);
    await absent(Key);
    await complete({ PartNumber: 1, ETag, ChecksumSHA256 });
  });

  test("of two at once under a condition exactly one becomes the object", async () => {
    const done = await Promise.allSettled([1, 2].map(() => upload("raced", { IfNoneMatch: "*" }).done()));
    expect(done.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(done.find(({ status }) => status === "rejected")).toMatchObject({ reason: { name: "PreconditionFailed" } });
  });

  test("that the network cuts off leaves no object, and is sent again whole", async () => {
    const cutOff = s3.client({ endpoint: proxy.url });
    proxy.faults = [{ when: ({ url }) => url!.includes("partNumber=1"), times: 1, cutRequestAfter: MiB }];
    await expect(upload("cut", {}, cutOff).done()).rejects.toThrow();
    await absent("cut");
    await upload("cut", {}, cutOff).done();
    expect((await read("cut")).equals(body)).toBe(true);
  });
});

describe("through a bad network", () => {
  const through = (maxAttempts: number) => s3.client({ endpoint: proxy.url, maxAttempts });

  test("a request that is cut off leaves nothing", async () => {
    proxy.faults = [{ cutRequestAfter: 100_000 }];
    await expect(
      through(1).send(new PutObjectCommand({ Bucket, Key: "torn", Body: Buffer.alloc(MiB) })),
    ).rejects.toThrow();
    await absent("torn");
    await expect.poll(leftovers).toEqual([]);
  });

  test("an answer that is cut off is an error, not a short object", async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: "long", Body: Buffer.alloc(4 * MiB) }));
    proxy.faults = [{ when: ({ method }) => method === "GET", cutResponseAfter: MiB }];
    const { Body } = await through(1).send(new GetObjectCommand({ Bucket, Key: "long" }));
    await expect(Body!.transformToByteArray()).rejects.toThrow();
  });

  test("a client that tries again gets through to a busy service, once for every refusal", async () => {
    proxy.faults = [{ refuse: true, times: 2 }];
    proxy.befallen = 0;
    await through(3).send(new PutObjectCommand({ Bucket, Key: "busy", Body: "x" }));
    expect(proxy.befallen).toBe(2);
  });
});
