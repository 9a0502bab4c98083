/** DeleteObjects: each key is answered for itself. */
import { objectArn } from "../access";
import { S3Error } from "../errors";
import { header } from "../header";
import { bodyText, type Call, type Reply } from "../request";
import { sentChecksum } from "../digests";
import { fromXml, listOf, toXml } from "../xml";
import { remove } from "./objects";

const mostKeys = 1000;

export async function deleteObjects(call: Call): Promise<Reply> {
  if (sentChecksum(call.request) === undefined && header(call.request, "content-md5") === undefined)
    throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5");
  const { Object: objects, Quiet } = fromXml("Delete", await bodyText(call));
  const wanted = listOf(objects).map(({ Key, VersionId, ...conditions }) => {
    if (typeof Key !== "string" || Key === "") throw new S3Error("MalformedXML", "each Object must have a Key");
    if (Object.keys(conditions).length > 0)
      throw new S3Error("NotImplemented", "the local cloud deletes many objects without conditions only");
    return { key: Key, versionId: typeof VersionId === "string" ? VersionId : undefined };
  });
  if (wanted.length === 0 || wanted.length > mostKeys)
    throw new S3Error("MalformedXML", `a request deletes from 1 to ${mostKeys} objects`);
  const results = [];
  for (const one of wanted) results.push(await removeOne(call, one));
  const errors = results.flatMap(({ error }) => error ?? []);
  const deleted = Quiet === "true" ? [] : results.flatMap((result) => result.deleted ?? []);
  return { body: toXml("DeleteResult", { Deleted: deleted, Error: errors }) };
}

async function removeOne(call: Call, { key, versionId }: { key: string; versionId: string | undefined }) {
  try {
    const action = versionId === undefined ? "s3:DeleteObject" : "s3:DeleteObjectVersion";
    call.access.demand(action, { resource: objectArn(call.bucket, key) });
    const { marker, versionId: removed } = await remove({ ...call, key }, key, versionId);
    return {
      deleted: {
        Key: key,
        VersionId: versionId,
        ...(marker && { DeleteMarker: true, DeleteMarkerVersionId: removed }),
      },
    };
  } catch (error) {
    const { code, message } =
      error instanceof S3Error
        ? error
        : { code: "InternalError", message: "We encountered an internal error. Please try again." };
    return { error: { Key: key, VersionId: versionId, Code: code, Message: message } };
  }
}
