/** The local cloud's IAM: what a policy says, and what S3 refuses to whom. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { output } from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { effectOf, readPolicy } from "../../cloud/aws/iam/policy";
import { bucketPolicy } from "../../components/backup/backupRules";
import { lockedBucket, testS3, type TestS3 } from "../s3";

const asked = {
  action: "s3:PutObject",
  resource: "arn:aws:s3:::b/segments/1",
  principal: "arn:aws:iam::000000000000:role/writer",
  keys: { days: "29", mode: "GOVERNANCE", secure: "true" },
};
const allow = { Effect: "Allow", Action: "*", Resource: "*" };
const effect = (...Statement: object[]) => effectOf(readPolicy(JSON.stringify({ Statement })), asked);

describe("a statement", () => {
  test.each<[string, object, boolean]>([
    ["of the action", { Action: "s3:PutObject" }, true],
    ["of the action in other letters", { Action: "S3:putobject" }, true],
    ["of actions with a wildcard", { Action: ["s3:Get*", "s3:Put*"] }, true],
    ["of a longer action", { Action: "s3:PutObjectRetention" }, false],
    ["of all but the action", { NotAction: "s3:PutObject", Action: undefined }, false],
    ["of the resource's folder", { Resource: "arn:aws:s3:::b/segments/*" }, true],
    ["of another folder", { Resource: "arn:aws:s3:::b/manifests/*" }, false],
    ["of the bucket alone", { Resource: "arn:aws:s3:::b" }, false],
    ["of a resource like a pattern's dot", { Resource: "arn:aws:s3:::b/segments.1" }, false],
    ["for everybody", { Principal: "*" }, true],
    ["for the account", { Principal: { AWS: "000000000000" } }, true],
    ["for another role", { Principal: { AWS: "arn:aws:iam::000000000000:role/reader" } }, false],
    ["on a number below", { Condition: { NumericLessThan: { days: 30 } } }, true],
    ["on a number not below", { Condition: { NumericLessThan: { days: "29" } } }, false],
    ["on another text", { Condition: { StringNotEquals: { mode: ["COMPLIANCE", "NONE"] } } }, true],
    ["on none of several texts", { Condition: { StringNotEquals: { mode: ["COMPLIANCE", "GOVERNANCE"] } } }, false],
    ["on a key that the request lacks", { Condition: { StringEquals: { gone: "x" } } }, false],
    ["on such a key, negated", { Condition: { StringNotEquals: { gone: "x" } } }, true],
    ["on such a key, if it exists", { Condition: { StringEqualsIfExists: { gone: "x" } } }, true],
    ["on a key's absence", { Condition: { Null: { gone: "true" } } }, true],
    ["on a key's presence", { Condition: { Null: { gone: "false" } } }, false],
    ["on two of which one fails", { Condition: { Bool: { secure: "true" }, Null: { mode: "true" } } }, false],
  ])("%s: %j applies: %s", (_, statement, applies) => {
    expect(effect({ ...allow, ...statement })).toBe(applies ? "Allow" : undefined);
  });

  test("that denies wins, wherever it stands", () => {
    expect(effect(allow, { ...allow, Effect: "Deny" })).toBe("Deny");
    expect(effect({ ...allow, Effect: "Deny" }, allow)).toBe("Deny");
  });

  test.each([
    { ...allow, Condition: { DateLessThan: { now: "2030-01-01" } } },
    { ...allow, Condition: { "ForAllValues:StringEquals": { mode: "x" } } },
    { ...allow, Principal: { Federated: "x" } },
    { ...allow, Effect: "Perhaps" },
  ])("with what is not evaluated here is refused: %j", (statement) => {
    expect(() => effect(statement)).toThrow();
  });
});

const Bucket = "locked";
const keyArn = "arn:aws:kms:eu-west-1:000000000000:key/1";
const objects = `arn:aws:s3:::${Bucket}/*`;
const kms = { Effect: "Allow", Action: ["kms:GenerateDataKey", "kms:Decrypt"], Resource: keyArn };
const write = { Effect: "Allow", Action: ["s3:PutObject", "s3:GetObject"], Resource: objects };
const list = { Effect: "Allow", Action: ["s3:ListBucket"], Resource: `arn:aws:s3:::${Bucket}` };
const everything = { Effect: "Allow", Action: ["s3:*", "kms:*"], Resource: "*" };

let s3: TestS3;
beforeAll(async () => {
  const rules = bucketPolicy({ bucketArn: `arn:aws:s3:::${Bucket}`, keyArn, lockMode: "GOVERNANCE", lockDays: 30 });
  const policy = await new Promise<string>((done) => output(rules).apply((value) => done(JSON.stringify(value))));
  const encryption = { algorithm: "aws:kms", keyArn, bucketKey: true, blocked: ["SSE-C"] };
  s3 = await testS3(
    { [Bucket]: { ...lockedBucket, encryption, policy } },
    {
      writer: [write, kms, list],
      hasty: [{ ...write, Condition: { Null: { "s3:if-none-match": "false" } } }, kms, list],
      keyless: [write, list],
      blind: [write, kms],
      admin: [everything],
      nobody: [],
    },
  );
});
afterAll(() => s3.close());

let count = 0;
const put = async (client: S3Client, more: Partial<PutObjectCommand["input"]> = {}) => {
  const Key = `k${++count}`;
  return { Bucket, Key, ...(await client.send(new PutObjectCommand({ Bucket, Key, Body: "x", ...more }))) };
};
const denied = (why: RegExp) => ({ name: "AccessDenied", message: expect.stringMatching(why) as string });
const inDays = (days: number) => new Date(Date.now() + days * 24 * 3600 * 1000);

describe("a role", () => {
  test("does what its policy allows", async () => {
    const { Key } = await put(s3.as("writer"));
    await s3.as("writer").send(new GetObjectCommand({ Bucket, Key }));
  });

  test("without a policy does nothing, and is told what it lacks", async () => {
    await expect(put(s3.as("nobody"))).rejects.toMatchObject(
      denied(
        /role\/nobody is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::locked\/k\d+" because no identity-based policy allows/,
      ),
    );
    await expect(s3.as("nobody").send(new ListObjectsV2Command({ Bucket }))).rejects.toMatchObject(
      denied(/s3:ListBucket/),
    );
  });

  test("that may write may neither lock for itself, nor hide, nor delete, nor touch a lock", async () => {
    const writer = s3.as("writer");
    const { Key, VersionId } = await put(writer);
    await expect(
      put(writer, { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: inDays(60) }),
    ).rejects.toMatchObject(denied(/s3:PutObjectRetention/));
    await expect(writer.send(new DeleteObjectCommand({ Bucket, Key }))).rejects.toMatchObject(
      denied(/s3:DeleteObject on/),
    );
    await expect(writer.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))).rejects.toMatchObject(
      denied(/s3:DeleteObjectVersion .* explicit deny in a resource-based policy/),
    );
    const Retention = { Mode: "GOVERNANCE" as const, RetainUntilDate: inDays(60) };
    await expect(writer.send(new PutObjectRetentionCommand({ Bucket, Key, Retention }))).rejects.toMatchObject(
      denied(/s3:PutObjectRetention/),
    );
  });

  test("is told of an object's lock only where it may see it", async () => {
    const { Key } = await put(s3.as("writer"));
    const modeFor = async (role: string) =>
      (await s3.as(role).send(new HeadObjectCommand({ Bucket, Key }))).ObjectLockMode;
    expect([await modeFor("writer"), await modeFor("admin")]).toEqual([undefined, "GOVERNANCE"]);
  });

  test("that may not list is not told what is missing", async () => {
    const missing = new GetObjectCommand({ Bucket, Key: "missing" });
    await expect(s3.as("blind").send(missing)).rejects.toMatchObject(denied(/s3:ListBucket/));
    await expect(s3.as("writer").send(missing)).rejects.toMatchObject({ name: "NoSuchKey" });
  });

  test("without the bucket's key can neither write nor read", async () => {
    const { Key } = await put(s3.as("writer"));
    await expect(put(s3.as("keyless"))).rejects.toMatchObject(denied(/kms:GenerateDataKey on resource: "arn:aws:kms/));
    await expect(s3.as("keyless").send(new GetObjectCommand({ Bucket, Key }))).rejects.toMatchObject(
      denied(/kms:Decrypt/),
    );
  });

  test("that must write conditionally cannot write otherwise", async () => {
    await expect(put(s3.as("hasty"))).rejects.toMatchObject(denied(/s3:PutObject/));
    await put(s3.as("hasty"), { IfNoneMatch: "*" });
  });

  test("of an upload in parts needs the same", async () => {
    const upload = (role: string) =>
      new Upload({
        client: s3.as(role),
        params: { Bucket, Key: `parts ${role}`, Body: Buffer.alloc(5 * 1024 * 1024 + 1) },
        partSize: 5 * 1024 * 1024,
      }).done();
    await upload("writer");
    await expect(upload("keyless")).rejects.toMatchObject(denied(/kms/));
    await expect(upload("nobody")).rejects.toMatchObject(denied(/s3:PutObject/));
  });
});

describe("the bucket's policy", () => {
  test.each(["admin", "owner"])("keeps the %s from lifting a lock and from deleting a version", async (role) => {
    const client = role === "owner" ? s3.client() : s3.as(role);
    const version = await put(client);
    await expect(
      client.send(
        new DeleteObjectCommand({
          Bucket,
          Key: version.Key,
          VersionId: version.VersionId,
          BypassGovernanceRetention: true,
        }),
      ),
    ).rejects.toMatchObject(denied(/explicit deny in a resource-based policy/));
    await expect(
      client.send(
        new PutObjectRetentionCommand({
          Bucket,
          Key: version.Key,
          Retention: { Mode: "GOVERNANCE", RetainUntilDate: inDays(31) },
          BypassGovernanceRetention: true,
        }),
      ),
    ).rejects.toMatchObject(denied(/s3:BypassGovernanceRetention/));
  });

  test("takes no other mode, no shorter lock, no other encryption, and a longer lock", async () => {
    const lock = (ObjectLockMode: "GOVERNANCE" | "COMPLIANCE", days: number) =>
      put(s3.as("admin"), { ObjectLockMode, ObjectLockRetainUntilDate: inDays(days) });
    await expect(lock("COMPLIANCE", 60)).rejects.toMatchObject(denied(/s3:PutObject/));
    await expect(lock("GOVERNANCE", 29)).rejects.toMatchObject(denied(/s3:PutObject/));
    await expect(put(s3.as("admin"), { ServerSideEncryption: "AES256" })).rejects.toMatchObject(denied(/s3:PutObject/));
    await lock("GOVERNANCE", 31);
  });
});
