/** What the monitor answers to probes, to people and to Prometheus. No secret, no text of a driver. */
import { createServer, type Server } from "node:http";
import type { Health } from "./health";
import type { Prometheus } from "./prometheus";

export interface HttpOptions {
  port: number;
  host: string;
  health: Health;
  prometheus: Prometheus;
  /** Whether the monitor itself does its work. */
  alive: () => boolean;
}

export async function serve({ port, host, health, prometheus, alive }: HttpOptions): Promise<Server> {
  const server = createServer((request, response) => {
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
    const [path] = (request.url ?? "").split("?");
    if (request.method !== "GET") return json(405, { error: "GET only" });
    if (path === "/health") return json(alive() ? 200 : 503, { status: alive() ? "ok" : "stuck" });
    if (path === "/health/ready") return json(health.ready ? 200 : 503, health.report());
    if (path === "/metrics") {
      void prometheus.registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": prometheus.registry.contentType }).end(text),
        () => json(500, { error: "the metrics cannot be written" }),
      );
      return;
    }
    return json(404, { error: "known: /health, /health/ready, /metrics" });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  return server;
}
