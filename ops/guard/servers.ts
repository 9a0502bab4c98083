/** The program's HTTP servers: found without its help, and ended so that no request is lost. */
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { idleClient } from "./limits";

export class Servers {
  private readonly listening = new Set<Server>();
  private readonly answering = new Set<ServerResponse>();
  private leaving = false;

  /** Every server that listens from now on, however it was made. */
  static watch(): Servers {
    const servers = new Servers();
    const { prototype } = Server as unknown as { prototype: { listen: (this: Server, ...args: unknown[]) => Server } };
    const { listen } = prototype;
    prototype.listen = function (...args) {
      servers.add(this);
      return listen.apply(this, args);
    };
    return servers;
  }

  private add(server: Server): void {
    if (this.listening.has(server)) return;
    this.listening.add(server);
    if (server instanceof HttpServer) keepIdleClients(server);
    server.prependListener("request", (_request: IncomingMessage, response: ServerResponse) => {
      this.answering.add(response);
      response.once("close", () => this.answering.delete(response));
      if (this.leaving) askToClose(response);
    });
  }

  /** Answers whoever comes, asking each to come back elsewhere, until nobody is connected or so many seconds have passed. */
  async sayFarewell(seconds: number): Promise<void> {
    this.leaving = true;
    this.answering.forEach(askToClose);
    await until(seconds, async () => (await this.connections()) === 0);
  }

  /** Takes no more connections, ends the idle ones and waits for what is being answered; false where that takes longer. */
  async close(seconds: number): Promise<boolean> {
    for (const server of this.listening) server.close();
    return until(seconds, async () => {
      if ((await this.connections()) === 0) return true;
      if (this.answering.size > 0) return false;
      // Nothing to answer. A request may be on its way in; a connection on which nothing ever comes is not waited for.
      await sleep(500);
      return this.answering.size === 0;
    });
  }

  private async connections(): Promise<number> {
    const counts = [...this.listening].map(
      (server) => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0))),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }
}

/** The program's own limits stay where they are wider; 0 is none. */
function keepIdleClients(server: Pick<HttpServer, "keepAliveTimeout" | "headersTimeout">): void {
  const atLeast = (own: number, ours: number) => (own === 0 ? 0 : Math.max(own, ours));
  server.keepAliveTimeout = atLeast(server.keepAliveTimeout, idleClient * 1000);
  // It ends a connection on which nothing was sent yet. A load balancer connects before it has a request.
  server.headersTimeout = atLeast(server.headersTimeout, (idleClient + 1) * 1000);
}

function askToClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

/** Whether it came true within so many seconds. */
async function until(seconds: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
}
