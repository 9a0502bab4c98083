/**
 * What a bucket's lifecycle rules do as time passes: to other storage classes, out of sight, away. What is locked stays.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
 */
import type { Bucket } from "./bucket";
import { isLocked } from "./locks";
import { deleteMarker } from "./operations/objects";
import type { LifecycleRule } from "./settings";
import type { Version } from "./version";

const day = 24 * 3600 * 1000;

/** S3 counts whole days and acts at the midnight (UTC) after the last. */
const isOver = (since: string, days: number, now: Date) =>
  now.getTime() >= Math.ceil((new Date(since).getTime() + days * day) / day) * day;

/** Does once what is due by now. */
export async function applyLifecycle(bucket: Bucket, now: Date): Promise<void> {
  for (const rule of bucket.setting("lifecycle") ?? []) {
    for (const key of bucket.objects.keys.filter((one) => one.startsWith(rule.prefix)))
      await bucket.objects.exclusively(key, () => applyRule(bucket, rule, key, now));
    for (const upload of bucket.uploads.all())
      if (
        rule.abortUploadsAfterDays !== undefined &&
        upload.key.startsWith(rule.prefix) &&
        isOver(upload.initiated, rule.abortUploadsAfterDays, now)
      )
        await bucket.uploads.remove(upload);
  }
}

async function applyRule(bucket: Bucket, rule: LifecycleRule, key: string, now: Date): Promise<void> {
  const { objects } = bucket;
  await expireNoncurrent(bucket, rule, objects.versions(key), now);
  const [newest, older] = objects.versions(key);
  if (newest === undefined) return;
  if (newest.deleteMarker) {
    if (rule.expiredObjectDeleteMarker && older === undefined) await objects.remove(newest);
    return;
  }
  if (rule.expirationDays !== undefined && isOver(newest.lastModified, rule.expirationDays, now)) {
    if (bucket.setting("versioning") === undefined) return objects.remove(newest);
    return void (await objects.add(deleteMarker(key, now), undefined, bucket.versioned));
  }
  const due = rule.transitions.filter(({ days }) => isOver(newest.lastModified, days, now));
  const storageClass = due.sort((a, b) => a.days - b.days).at(-1)?.storageClass;
  if (storageClass !== undefined && storageClass !== newest.storageClass)
    await objects.change(newest, { storageClass });
}

/** A version is noncurrent since the next one came. */
async function expireNoncurrent(bucket: Bucket, rule: LifecycleRule, versions: readonly Version[], now: Date) {
  if (rule.noncurrentDays === undefined) return;
  for (const [index, version] of versions.entries()) {
    const successor = versions[index - 1];
    if (successor === undefined || !isOver(successor.lastModified, rule.noncurrentDays, now)) continue;
    if (!isLocked(version, now)) await bucket.objects.remove(version);
  }
}
