/** A verification of the trail, told as it goes; it ends when nobody listens any more. */
import { Failure } from "../../../ops/program";
import { summary } from "../../../ops/verify/report";
import { verify } from "../../../ops/verify/verification";
import type { VerificationEvents } from "../answers";
import { auditorUrl } from "./auditor";
import { type Asked, Refusal } from "./asked";

/** One at a time: it keeps a core of the server busy. */
let running = false;

/** Milliseconds between two reports of progress. */
const pace = 200;

export async function verification({ url, response, signal }: Asked): Promise<undefined> {
  if (running) throw new Refusal(409, "a verification is running already");
  running = true;
  const send = <Name extends keyof VerificationEvents>(name: Name, data: VerificationEvents[Name]) =>
    void response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  let told = 0;
  try {
    const report = await verify({
      url: await auditorUrl(signal),
      signal,
      agent: url.searchParams.get("agent") ?? undefined,
      anchors: [],
      connections: 1,
      chunk: 5000,
      allowEmpty: false,
      onProgress: (counts) => {
        if (Date.now() - told < pace) return;
        told = Date.now();
        send("progress", counts);
      },
    });
    send("report", { ...report, summary: summary(report) });
  } catch (error) {
    if (!signal.aborted) send("failed", { message: messageOf(error) });
  } finally {
    running = false;
    response.end();
  }
  return undefined;
}

const messageOf = (error: unknown): string =>
  error instanceof Failure ? error.message : `the verification failed: ${(error as Error).message}`;
