/**
 * Stands in for Authensor's control plane where neither its program nor a Docker engine is at hand: the container's
 * contract (health, /evaluate, receipts), with no policy but the vendor's fail-closed one. Every action is denied, and
 * every denial is receipted, with the very statements the real one sends. Like the real one it handles no signal and no lost
 * connection: the guard that its pod has Node load does. The vendor's API is described in its repository,
 * packages/control-plane/src/routes and services/receipt-service.ts.
 */
import { createServer, type IncomingMessage } from "node:http";
import { HttpError, send } from "./http";
import { bootstrapAdminKey } from "./keys";
import { pool } from "./pool";
import { evaluate, getReceipt, listReceipts, verifyReceipts } from "./receipts";

const port = Number(process.env["PORT"] ?? 3000);

async function answer(request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const route = `${request.method} ${url.pathname}`;
  if (route === "GET /health") return { status: "ok", timestamp: new Date().toISOString() };
  if (route === "GET /health/ready") return ready();
  if (route === "POST /evaluate") return evaluate(request);
  if (route === "GET /receipts") return listReceipts(request, url);
  if (route === "GET /receipts/verify") return verifyReceipts(request);
  const id = /^GET \/receipts\/([^/]+)$/.exec(route)?.[1];
  if (id !== undefined) return getReceipt(request, id);
  throw new HttpError(404, "NOT_FOUND", "the stand-in has no such route");
}

async function ready() {
  try {
    await pool.query("select 1");
    return { status: "ready", checks: { database: "ok" } };
  } catch (error) {
    const checks = { database: "error", error: (error as Error).message };
    throw new HttpError(503, "NOT_READY", checks.error, { status: "error", checks });
  }
}

const server = createServer((request, response) => {
  answer(request).then(
    (payload) => send(response, 200, payload),
    (error: Error) => {
      if (error instanceof HttpError) return send(response, error.status, error.payload);
      console.error(`${request.method} ${request.url}: ${error.stack ?? error.message}`);
      send(response, 500, { error: { code: "INTERNAL", message: "see the log" } });
    },
  );
});

async function main(): Promise<void> {
  await bootstrapAdminKey();
  server.listen(port, () => {
    console.log(
      "This is a stand-in for Authensor's control plane: it denies every action and writes a receipt for each.",
    );
    console.log("Set CONTROL_PLANE_COMMAND, or start a Docker engine, to run the real one.");
    console.log(`Listening on port ${port}`);
  });
}

main().catch((error: Error) => {
  console.error(`the stand-in cannot start: ${error.message}`);
  process.exit(1);
});
