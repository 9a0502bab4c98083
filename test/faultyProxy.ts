/** Stands in front of a server and does to requests what networks and busy services do. For tests. */
import { createServer, type IncomingMessage, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";

export interface Fault {
  /** Which requests it befalls; all of them unless given. */
  when?: (request: IncomingMessage) => boolean;
  /** How many; without end unless given. */
  times?: number;
  /** Answers 503 SlowDown, as S3 does when it is asked too fast, before anything is forwarded. */
  refuse?: true;
  /** Waits before it forwards. */
  delayMs?: number;
  /** Closes the connection once so many bytes of the request's body have come. */
  cutRequestAfter?: number;
  /** Closes the connection once so many bytes of the answer's body have gone. */
  cutResponseAfter?: number;
  /** Sends the answer's headers and nothing of its body, and keeps the connection open. */
  stallResponse?: true;
  /** Has the server do it, and closes the connection instead of telling. */
  loseResponse?: true;
}

export interface FaultyProxy {
  url: string;
  /** The first that befalls a request does. May be changed at any time. */
  faults: Fault[];
  /** Requests that a fault befell. */
  befallen: number;
  close(): Promise<void>;
}

const slowDown = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`;

export async function faultyProxy(target: string): Promise<FaultyProxy> {
  const server = createServer((request, response) => {
    const fault = proxy.faults.find(({ when, times }) => (times ?? 1) > 0 && (when?.(request) ?? true));
    if (fault) {
      proxy.befallen++;
      if (fault.times !== undefined) fault.times--;
    }
    const cut = () => request.socket.destroy();
    if (fault?.refuse) {
      request.resume();
      response.writeHead(503, { "content-type": "application/xml" }).end(slowDown);
      return;
    }
    setTimeout(() => {
      const { host, port } = new URL(target);
      const upstream = forward({
        port,
        method: request.method,
        path: request.url,
        headers: { host, ...request.headers },
      });
      upstream.on("error", cut);
      request.on("close", () => void (request.complete || upstream.destroy()));
      upstream.on("response", (answer) => {
        if (fault?.loseResponse) return void cut();
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (fault?.stallResponse) return void response.flushHeaders();
        pass(answer, fault?.cutResponseAfter, cut).pipe(response);
      });
      pass(request, fault?.cutRequestAfter, cut).pipe(upstream);
    }, fault?.delayMs ?? 0);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults: [],
    befallen: 0,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return proxy;
}

function pass(source: Readable, most: number | undefined, cut: () => void): Readable {
  let passed = 0;
  if (most !== undefined)
    source.on("data", (piece: Buffer) => {
      passed += piece.length;
      if (passed > most) cut();
    });
  return source;
}
