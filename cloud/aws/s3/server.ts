/** S3's endpoint: who asks, what for, and the answer. */
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { accountId } from "../account";
import type { Identity } from "../iam/roles";
import { accessOf } from "./access";
import { type Bucket, Buckets } from "./bucket";
import { S3Error } from "./errors";
import { applyLifecycle } from "./lifecycle";
import { operationOf } from "./operations";
import { listBuckets } from "./operations/buckets";
import { header } from "./header";
import { type Reply, targetOf } from "./request";
import { authenticate, type Signed } from "./signature";
import { toXml } from "./xml";

export interface S3Options {
  /** Where the buckets are. */
  root: string;
  /** What an access key's holder signs with; undefined for a key that nobody has. */
  secretOf: (accessKeyId: string) => string | undefined;
  /** Whose key it is; nobody is denied anything where nobody is known. */
  identityOf?: (accessKeyId: string) => Identity | undefined;
  /** The clock that locks and lifecycle rules go by. */
  now?: () => Date;
}

export interface S3 {
  server: Server;
  /** Does what the buckets' lifecycle rules say is due by now. */
  applyLifecycles: () => Promise<void>;
}

export function createS3({ root, secretOf, identityOf, now = () => new Date() }: S3Options): S3 {
  const buckets = new Buckets(root);

  async function answer(request: IncomingMessage): Promise<Reply> {
    const signed = authenticate(request, secretOf);
    const target = targetOf(request.url ?? "");
    if (target.bucket === "" && request.method === "GET") return listBuckets(buckets.all());
    const bucket = buckets.open(target.bucket);
    checkPlace(request, signed, bucket.facts);
    const operation = operationOf(request, target);
    const asking = { ...target, request, bucket, now: now() };
    const access = accessOf(identityOf?.(signed.accessKeyId), asking);
    const { action, versionAction = action, keys = {} } = operation;
    const wanted = target.query.has("versionId") ? versionAction : action;
    if (wanted !== undefined) access.demand(wanted, { keys });
    return operation.run({ ...asking, signed, access });
  }

  const server = createServer((request, response) => {
    const id = randomBytes(8).toString("hex").toUpperCase();
    response.setHeader("x-amz-request-id", id);
    answer(request)
      .then((reply) => send(response, reply))
      .catch((error: unknown) => refuse(request, response, error, id));
  });

  return {
    server,
    async applyLifecycles() {
      for (const bucket of buckets.all()) await applyLifecycle(bucket, now());
    },
  };
}

/** A client that is set to another region than its bucket's is told so. */
function checkPlace(
  request: IncomingMessage,
  { region }: Signed,
  { region: expected, account }: Bucket["facts"],
): void {
  if (region !== expected)
    throw new S3Error(
      "AuthorizationHeaderMalformed",
      `The authorization header is malformed; the region '${region}' is wrong; expecting '${expected}'`,
      { elements: { Region: expected }, headers: { "x-amz-bucket-region": expected } },
    );
  const owner = header(request, "x-amz-expected-bucket-owner");
  if (owner !== undefined && owner !== (account ?? accountId)) throw new S3Error("AccessDenied", "Access Denied");
}

async function send(response: ServerResponse, { status = 200, headers = {}, body, file }: Reply): Promise<void> {
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
  response.statusCode = status;
  if (file) return pipeline(createReadStream(file.path, { start: file.start, end: file.end }), response);
  if (body !== undefined) response.setHeader("content-type", "application/xml");
  response.end(body);
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, id: string): void {
  // The client has gone, or is in the middle of the bytes: there is nobody to tell.
  if (request.destroyed && !request.complete) return void response.destroy();
  if (response.headersSent) return void response.destroy();
  const known = error instanceof S3Error ? error : internal(error);
  for (const [name, value] of Object.entries(known.more.headers ?? {})) response.setHeader(name, value);
  response.statusCode = known.status;
  // What is left of a body that nobody will read would be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  if (request.method === "HEAD" || known.status === 304) return void response.end();
  response.setHeader("content-type", "application/xml");
  const { code: Code, message: Message } = known;
  const Resource = (request.url ?? "").split("?")[0];
  response.end(toXml("Error", { Code, Message, ...known.more.elements, Resource, RequestId: id }));
}

function internal(error: unknown): S3Error {
  console.error(error);
  return new S3Error("InternalError", "We encountered an internal error. Please try again.");
}
