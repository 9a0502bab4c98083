/** Buckets and their settings: read here, and made by whoever deploys. */
import { accountId } from "../../account";
import type { Bucket } from "../bucket";
import { S3Error } from "../errors";
import type { Call, Reply } from "../request";
import { toXml } from "../xml";

export function listBuckets(buckets: readonly Bucket[]): Reply {
  const described = buckets.map(({ name, facts }) => ({
    Name: name,
    CreationDate: facts.created,
    BucketRegion: facts.region,
  }));
  return {
    body: toXml("ListAllMyBucketsResult", { Owner: { ID: accountId }, Buckets: { Bucket: described } }),
  };
}

export const headBucket = ({ bucket }: Call): Reply => ({ headers: { "x-amz-bucket-region": bucket.facts.region } });

/** us-east-1 is told as an empty one, as ever since it was the only one. */
export function getLocation({ bucket }: Call): Reply {
  const { region } = bucket.facts;
  return { body: toXml("LocationConstraint", region === "us-east-1" ? {} : { "#text": region }) };
}

export const getVersioning = ({ bucket }: Call): Reply => ({
  body: toXml("VersioningConfiguration", { Status: bucket.setting("versioning") }),
});

export function getObjectLock({ bucket }: Call): Reply {
  if (!bucket.facts.objectLock)
    throw new S3Error(
      "ObjectLockConfigurationNotFoundError",
      "Object Lock configuration does not exist for this bucket",
    );
  const byDefault = bucket.setting("defaultRetention");
  const retention = byDefault && { Mode: byDefault.mode, Days: byDefault.days, Years: byDefault.years };
  return {
    body: toXml("ObjectLockConfiguration", {
      ObjectLockEnabled: "Enabled",
      ...(retention && { Rule: { DefaultRetention: retention } }),
    }),
  };
}
