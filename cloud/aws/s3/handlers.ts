/** Buckets as resources: each of a bucket's settings is a resource of its own, and is written down for the endpoint. */
import { randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { Context, Handler, Properties } from "../../handler";
import { AwsError, regionOf } from "../account";
import { isRunning, urlOf } from "../endpoint";
import { readPolicy } from "../iam/policy";
import { recordedOutputs } from "../recorded";
import { lockModes } from "./locks";
import { s3, s3Root } from "./service";
import { bucketFiles, contents, type BucketSettings, readSetting, removeSetting, writeSetting } from "./settings";

const rootOf = (context: Context) => s3Root(dirname(context.directory));
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

function read<T extends z.ZodType>(schema: T, inputs: Properties): z.infer<T> {
  const parsed = schema.safeParse(inputs);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AwsError("InvalidArgument", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

export const bucketType = "aws:s3/bucket:Bucket";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "3 to 63 lower case letters, digits, . and -");

const bucket: Handler = {
  replaceOnChange: ["bucket", "bucketPrefix", "objectLockEnabled", "region"],
  // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
  async create(inputs, context) {
    const made = recordedOutputs(inputs, context);
    const { id: name } = read(z.looseObject({ id: bucketName }), { ...made });
    const before = readSetting(rootOf(context), name, "bucket");
    const facts = {
      region: regionOf(inputs, context),
      id: before?.id ?? randomUUID(),
      created: before?.created ?? new Date().toISOString(),
      objectLock: inputs["objectLockEnabled"] === true,
    };
    writeSetting(rootOf(context), name, "bucket", facts, context.serviceUser);
    return made;
  },
  // eslint-disable-next-line @typescript-eslint/require-await
  update: async (_current, inputs, context) => recordedOutputs(inputs, context).outputs,
  // eslint-disable-next-line @typescript-eslint/require-await
  async delete({ id, inputs }, context) {
    const { directory, objects } = bucketFiles(rootOf(context), id);
    const empty = readdirSync(objects).length === 0;
    if (!empty && inputs["forceDestroy"] !== true)
      throw new AwsError(
        "BucketNotEmpty",
        `${id}: the bucket you tried to delete is not empty. You must delete all versions in the bucket.`,
      );
    rmSync(directory, { recursive: true, force: true });
  },
  // eslint-disable-next-line @typescript-eslint/require-await
  async status({ id }, context) {
    const root = dirname(context.directory);
    const { versions, bytes } = contents(s3Root(root), id);
    const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
    const held = versions === 0 ? "empty" : `objects in ${versions} version${versions === 1 ? "" : "s"}, ${size}`;
    return { healthy: isRunning(s3, root), text: `${held} · ${urlOf(s3, root)}/${id}` };
  },
};

/** A setting of a bucket. Without the resource the bucket is as S3 has it by default. */
function setting<A extends Exclude<keyof BucketSettings, "bucket">>(
  aspect: A,
  valueOf: (inputs: Properties) => BucketSettings[A],
): Handler {
  // eslint-disable-next-line @typescript-eslint/require-await
  const put = async (inputs: Properties, context: Context) => {
    const name = String(inputs["bucket"]);
    const value = valueOf(inputs);
    if (readSetting(rootOf(context), name, "bucket") === undefined)
      throw new AwsError("NoSuchBucket", `${name}: the specified bucket does not exist`);
    if (value === undefined) removeSetting(rootOf(context), name, aspect);
    else writeSetting(rootOf(context), name, aspect, value, context.serviceUser);
    return recordedOutputs(inputs, context);
  };
  return {
    replaceOnChange: ["bucket", "region"],
    create: put,
    update: async (_current, inputs, context) => (await put(inputs, context)).outputs,
    // eslint-disable-next-line @typescript-eslint/require-await
    async delete({ inputs }, context) {
      removeSetting(rootOf(context), String(inputs["bucket"]), aspect);
    },
  };
}

const versioning = z.looseObject({
  versioningConfiguration: z.looseObject({ status: z.enum(["Enabled", "Suspended"]) }),
});

const defaultRetention = z.looseObject({
  rule: optional(
    z.looseObject({
      defaultRetention: z
        .looseObject({
          mode: z.enum(lockModes),
          days: optional(z.int().min(1).max(36_500)),
          years: optional(z.int().min(1).max(100)),
        })
        .refine(({ days, years }) => (days === undefined) !== (years === undefined), "either days or years"),
    }),
  ),
});

const encryption = z.looseObject({
  rules: z
    .array(
      z.looseObject({
        applyServerSideEncryptionByDefault: z.looseObject({
          sseAlgorithm: z.enum(["AES256", "aws:kms"]),
          kmsMasterKeyId: optional(z.string()),
        }),
        bucketKeyEnabled: optional(z.boolean()),
        blockedEncryptionTypes: optional(z.array(z.string())),
      }),
    )
    .length(1),
});

/** Filters by tags and sizes are not evaluated here, hence refused. */
const filter = optional(z.strictObject({ prefix: optional(z.string()) }));
const days = z.int().min(1);

const lifecycle = z.looseObject({
  rules: z
    .array(
      z.strictObject({
        id: z.string(),
        status: z.enum(["Enabled", "Disabled"]),
        filter,
        transitions: optional(z.array(z.strictObject({ days, storageClass: z.string() }))),
        expiration: optional(
          z.strictObject({ days: optional(days), expiredObjectDeleteMarker: optional(z.boolean()) }),
        ),
        noncurrentVersionExpiration: optional(z.strictObject({ noncurrentDays: days })),
        abortIncompleteMultipartUpload: optional(z.strictObject({ daysAfterInitiation: days })),
      }),
    )
    .min(1),
});

function lifecycleRules(inputs: Properties): BucketSettings["lifecycle"] {
  return read(lifecycle, inputs)
    .rules.filter(({ status }) => status === "Enabled")
    .map((rule) => ({
      id: rule.id,
      prefix: rule.filter?.prefix ?? "",
      transitions: rule.transitions ?? [],
      expirationDays: rule.expiration?.days,
      expiredObjectDeleteMarker: rule.expiration?.expiredObjectDeleteMarker ?? false,
      noncurrentDays: rule.noncurrentVersionExpiration?.noncurrentDays,
      abortUploadsAfterDays: rule.abortIncompleteMultipartUpload?.daysAfterInitiation,
    }));
}

function encryptionRule(inputs: Properties): BucketSettings["encryption"] {
  const [rule] = read(encryption, inputs).rules;
  const { sseAlgorithm: algorithm, kmsMasterKeyId: keyArn } = rule!.applyServerSideEncryptionByDefault;
  return {
    algorithm,
    keyArn,
    bucketKey: rule!.bucketKeyEnabled ?? false,
    blocked: rule!.blockedEncryptionTypes ?? [],
  };
}

function bucketPolicy(inputs: Properties): string {
  const { policy } = read(z.looseObject({ policy: z.string() }), inputs);
  try {
    readPolicy(policy);
  } catch (error) {
    throw new AwsError("MalformedPolicy", (error as Error).message);
  }
  return policy;
}

export const handlers: Record<string, Handler> = {
  [bucketType]: bucket,
  "aws:s3/bucketVersioning:BucketVersioning": setting(
    "versioning",
    (inputs) => read(versioning, inputs).versioningConfiguration.status,
  ),
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": setting(
    "defaultRetention",
    (inputs) => read(defaultRetention, inputs).rule?.defaultRetention,
  ),
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": setting(
    "encryption",
    encryptionRule,
  ),
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": setting("lifecycle", lifecycleRules),
  "aws:s3/bucketPolicy:BucketPolicy": setting("policy", bucketPolicy),
};
