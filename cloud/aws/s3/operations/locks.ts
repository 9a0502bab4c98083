/** The lock of one version. */
import { lockKeys } from "../access";
import { S3Error } from "../errors";
import { checkRetention, parseRetention, type Retention } from "../locks";
import { bodyText, type Call, type Reply } from "../request";
import { missingLock, parseHold } from "../upload";
import type { Version } from "../version";
import { fromXml, toXml } from "../xml";
import { bypasses, find, versionHeader } from "./objects";

function lockable(call: Call): Version {
  if (!call.bucket.facts.objectLock) throw missingLock();
  const version = find(call);
  if (version.deleteMarker)
    throw new S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.");
  return version;
}

const notLocked = () =>
  new S3Error("NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration");

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function getRetention(call: Call): Promise<Reply> {
  const { retention } = lockable(call);
  if (retention === undefined) throw notLocked();
  return { body: toXml("Retention", { Mode: retention.mode, RetainUntilDate: retention.until }) };
}

export async function putRetention(call: Call): Promise<Reply> {
  const { Mode, RetainUntilDate } = fromXml("Retention", await bodyText(call));
  const { bucket, key, now, access } = call;
  const wanted: Retention | undefined =
    Mode === undefined && RetainUntilDate === undefined
      ? undefined
      : parseRetention(textOf(Mode), textOf(RetainUntilDate), now);
  access.demand("s3:PutObjectRetention", { keys: lockKeys(wanted?.mode, wanted?.until, now) });
  const bypass = bypasses(call, key);
  return bucket.objects.exclusively(key, async () => {
    const version = lockable(call);
    checkRetention(version, wanted, now, bypass);
    return { headers: versionHeader(await bucket.objects.change(version, { retention: wanted })) };
  });
}

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function getLegalHold(call: Call): Promise<Reply> {
  const { legalHold } = lockable(call);
  if (legalHold === undefined) throw notLocked();
  return { body: toXml("LegalHold", { Status: legalHold ? "ON" : "OFF" }) };
}

export async function putLegalHold(call: Call): Promise<Reply> {
  const legalHold = parseHold(fromXml("LegalHold", await bodyText(call))["Status"]);
  const { bucket, key } = call;
  return bucket.objects.exclusively(key, async () => ({
    headers: versionHeader(await bucket.objects.change(lockable(call), { legalHold })),
  }));
}

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
