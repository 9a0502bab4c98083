/** Requests and answers, as the control plane has them. */
import type { IncomingMessage, ServerResponse } from "node:http";

export class HttpError extends Error {
  constructor(
    readonly status: number,
    code: string,
    message: string,
    readonly payload: unknown = { error: { code, message } },
  ) {
    super(message);
  }
}

const maxBytes = Number(process.env["AUTHENSOR_MAX_REQUEST_BYTES"] ?? 1024 * 1024);

export async function body(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new HttpError(413, "PAYLOAD_TOO_LARGE", `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new HttpError(400, "BAD_REQUEST", "not JSON");
  }
}

export function send(response: ServerResponse, status: number, payload: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "x-served-by": "stand-in" });
  response.end(JSON.stringify(payload));
}
