/** AWS' signature, version 4, as S3 has it. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { S3Error } from "./errors";

export interface Signed {
  accessKeyId: string;
  region: string;
  /** What the body must be: its SHA-256 in hex, "UNSIGNED-PAYLOAD" or one of "STREAMING-…". */
  payload: string;
  /** Checks the signature of the next part of a body in parts: each depends on the one before. */
  checkPart: (sha256: string, signature: string) => void;
}

const sha256 = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();

/** Minutes that a client's clock may be off. */
const mostSkew = 15;

interface Given {
  credential: string;
  signedHeaders: string;
  signature: string;
  /** 20261128T184000Z */
  date: string;
  payload: string;
  /** A signature in the URL holds for so many seconds. */
  expires: number | undefined;
}

function given({ headers }: IncomingMessage, query: URLSearchParams): Given {
  const inQuery = query.get("X-Amz-Signature");
  if (inQuery !== null) {
    const of = (name: string) => query.get(`X-Amz-${name}`) ?? "";
    return {
      credential: of("Credential"),
      signedHeaders: of("SignedHeaders"),
      signature: inQuery,
      date: of("Date"),
      payload: "UNSIGNED-PAYLOAD",
      expires: Number(of("Expires")),
    };
  }
  const { authorization } = headers;
  if (authorization === undefined) throw new S3Error("AccessDenied", "Access Denied: the request is not signed");
  const of = (name: string) => new RegExp(`${name}=([^,\\s]+)`).exec(authorization)?.[1] ?? "";
  return {
    credential: of("Credential"),
    signedHeaders: of("SignedHeaders"),
    signature: of("Signature"),
    date: headerText(headers["x-amz-date"]),
    payload: headerText(headers["x-amz-content-sha256"]),
    expires: undefined,
  };
}

const headerText = (value: string | string[] | undefined) =>
  (Array.isArray(value) ? value.join(",") : (value ?? "")).trim().replace(/ +/g, " ");

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].filter(([name]) => name !== "X-Amz-Signature").map(([k, v]) => [encode(k), encode(v)]);
  return pairs
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join("&");
}

function checkTime({ date, expires }: Given, now: number): void {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const signed = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(signed)) throw new S3Error("AccessDenied", "a signed request must have a date");
  if (expires !== undefined && !(now <= signed + expires * 1000))
    throw new S3Error("AccessDenied", "Request has expired");
  const early = signed - now;
  const off = expires === undefined ? Math.abs(early) : early;
  if (off > mostSkew * 60_000)
    throw new S3Error(
      "RequestTimeTooSkewed",
      "The difference between the request time and the current time is too large.",
    );
}

/** @param secretOf undefined for a key that nobody has */
export function authenticate(
  request: IncomingMessage,
  secretOf: (accessKeyId: string) => string | undefined,
  now = Date.now(),
): Signed {
  const [path = "", search = ""] = (request.url ?? "").split("?", 2);
  const query = new URLSearchParams(search);
  const mine = given(request, query);
  const { date, payload, signedHeaders } = mine;
  const [accessKeyId = "", day = "", region = "", service, kind] = mine.credential.split("/");
  if (service !== "s3" || kind !== "aws4_request" || day !== date.slice(0, 8))
    throw new S3Error("AuthorizationHeaderMalformed", "the credential must be <key>/<date>/<region>/s3/aws4_request");
  if (payload === "")
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  checkTime(mine, now);
  const secret = secretOf(accessKeyId);
  if (secret === undefined)
    throw new S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");

  const names = signedHeaders.split(";");
  const unsigned = Object.keys(request.headers).filter((name) => name.startsWith("x-amz-") && !names.includes(name));
  if (!names.includes("host") || unsigned.length > 0)
    throw new S3Error(
      "AccessDenied",
      `There were headers present in the request which were not signed: ${unsigned.join(", ")}`,
    );
  const canonical = [
    request.method,
    path,
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headerText(request.headers[name])}`),
    "",
    signedHeaders,
    payload,
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  const check = (algorithm: string, toSign: string[], signature: string) => {
    const expected = hmac(key, [algorithm, date, scope, ...toSign].join("\n"));
    const found = Buffer.from(signature, "hex");
    if (found.length !== expected.length || !timingSafeEqual(found, expected))
      throw new S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
      );
  };
  check("AWS4-HMAC-SHA256", [sha256(canonical)], mine.signature);

  let previous = mine.signature;
  const checkPart = (hash: string, signature: string) => {
    check("AWS4-HMAC-SHA256-PAYLOAD", [previous, sha256(""), hash], signature);
    previous = signature;
  };
  return { accessKeyId, region, payload, checkPart };
}
