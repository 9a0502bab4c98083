/** Buckets, and what is configured beside them. */
import type { PolicyResource } from "@pulumi/policy";
import { isAnyone, isConditional, listOf, refersTo, statements } from "./resources";
import type { Properties, Rule, StackRule } from "./rule";

const bucketTypes = ["aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"];
const bucketPolicy = "aws:s3/bucketPolicy:BucketPolicy";

type Judge = (configured: Properties[], config: Properties, bucket: PolicyResource) => string | undefined;

/** Judges each bucket by its resources of one kind, which AWS' provider keeps apart from it. */
const beside = (kind: string, judge: Judge): StackRule["among"] => {
  const types = [kind, `${kind}V2`].map((name) => `aws:s3/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`);
  const judged: StackRule["among"][string] = (bucket, all, config) => {
    const configured = all
      .filter(({ type }) => types.includes(type))
      .filter((one) => refersTo(one, "bucket", bucket, () => [bucket.props.bucket, bucket.props.id]));
    return judge(
      configured.map(({ props }) => props),
      config,
      bucket,
    );
  };
  return Object.fromEntries(bucketTypes.map((type) => [type, judged]));
};

const everyBucket = (judge: (props: Properties) => string | undefined) =>
  Object.fromEntries(bucketTypes.map((type) => [type, judge]));

/** Whether resources of a statement are the bucket and all objects in it. */
const isAllOfIt = (resources: readonly string[]) =>
  resources.includes("*") ||
  [/^arn:[^:]*:s3:::[^/]+$/, /^arn:[^:]*:s3:::[^/]+\/\*$/].every((part) => resources.some((one) => part.test(one)));

/** Whether plain text is all that a statement's condition asks for: with another one beside it, less is refused. */
const asksForPlainText = (condition: Properties = {}) => {
  const [[operator, asked = {}] = [], ...others] = Object.entries(condition);
  return (
    operator === "Bool" &&
    others.length === 0 &&
    JSON.stringify(Object.entries(asked as Properties).map(([key, value]) => [key, String(value)])) ===
      JSON.stringify([["aws:SecureTransport", "false"]])
  );
};

/** A bucket's policy that refuses every request to all of it, by anyone, that comes without TLS. */
const refusesPlainText = ({ policy }: Properties) =>
  statements(policy).some(
    ({ Effect, Principal, Action, Resource, Condition }) =>
      Effect === "Deny" &&
      isAnyone(Principal) &&
      listOf(Action as string).some((action) => ["s3:*", "*"].includes(action)) &&
      isAllOfIt(listOf(Resource as string)) &&
      asksForPlainText(Condition as Properties | undefined),
  );

const allowsEverybody = ({ policy }: Properties) =>
  statements(policy).some(
    (statement) => statement.Effect === "Allow" && isAnyone(statement.Principal) && !isConditional(statement),
  )
    ? 'a statement allows to the principal "*" without a condition: name who may'
    : undefined;

const closed = ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];

export const bucketRules: Rule[] = [
  {
    name: "bucket-own-key",
    holds: "Buckets encrypt with a KMS key that is given.",
    reason: "With S3's own key whoever may read the bucket may decrypt it: there is no second lock.",
    among: beside("BucketServerSideEncryptionConfiguration", (configured) => {
      const rules = configured.flatMap(({ rules }) => listOf(rules as Properties));
      const own = rules.map((rule) => rule.applyServerSideEncryptionByDefault as Properties | undefined);
      return own.some((by) => String(by?.sseAlgorithm).startsWith("aws:kms") && by?.kmsMasterKeyId)
        ? undefined
        : "no BucketServerSideEncryptionConfiguration of it has sseAlgorithm aws:kms with a kmsMasterKeyId: add it";
    }),
  },
  {
    name: "bucket-not-public",
    holds: "Buckets block public access in all four ways.",
    reason: "One policy or ACL that names everybody would publish what is in the bucket.",
    among: beside("BucketPublicAccessBlock", ([block]) => {
      if (!block) return "it has no BucketPublicAccessBlock: add one with all four properties true";
      const open = closed.filter((property) => block[property] !== true);
      return open.length === 0 ? undefined : `its BucketPublicAccessBlock lacks ${open.join(", ")}: set them to true`;
    }),
  },
  {
    name: "bucket-policy-not-public",
    holds: "No bucket's policy allows anything to everybody.",
    reason: "Such a policy waits for the day on which the block of public access is lifted.",
    // A bucket's own property is deprecated, and still in force.
    each: { [bucketPolicy]: allowsEverybody, ...everyBucket(allowsEverybody) },
  },
  {
    name: "bucket-tls",
    holds: "Buckets refuse requests without TLS.",
    reason: "S3 answers over plain HTTP unless a policy refuses.",
    among: beside("BucketPolicy", (configured) =>
      configured.some(refusesPlainText)
        ? undefined
        : 'no BucketPolicy of it denies s3:* to "*" where aws:SecureTransport is false: add that statement',
    ),
  },
  {
    name: "bucket-locked",
    holds: "Buckets lock each new object under COMPLIANCE, for at least `days` days.",
    reason: "A stolen administrator's login deletes what GOVERNANCE locks, and what nothing locks.",
    defaults: { days: 30 },
    among: beside("BucketObjectLockConfiguration", (configured, { days }) => {
      const [kept] = configured.map(({ rule }) => (rule as Properties | undefined)?.defaultRetention as Properties);
      if (!kept) return "it has no BucketObjectLockConfiguration with a defaultRetention: add one in mode COMPLIANCE";
      if (kept.mode !== "COMPLIANCE") return `its objects are locked under ${String(kept.mode)}: use COMPLIANCE`;
      const locked = Number(kept.days ?? Number(kept.years ?? 0) * 365);
      return locked >= Number(days)
        ? undefined
        : `its objects are locked for ${locked} days: use at least ${String(days)}`;
    }),
  },
  {
    name: "bucket-kept",
    holds: "A destroy does not delete what is in a bucket.",
    reason: "forceDestroy empties the bucket first, and asks nobody.",
    each: everyBucket(({ forceDestroy }) =>
      forceDestroy === true ? "forceDestroy is true: set it to false" : undefined,
    ),
  },
];
