/** The monitor's connection to a server (ops/monitor/server.ts). */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Server } from "../../ops/monitor/server";

const logsIn = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

const fields = Buffer.from("SFATAL\0VFATAL\0C57P01\0Mthe server is shutting down\0\0");
const says = Buffer.concat([Buffer.from([0x45, 0, 0, 0, fields.length + 4]), fields]);

/** Each lets everybody in. */
const servers: [string, (socket: Socket) => void][] = [
  [
    "is gone without a word while it is asked",
    (socket) => {
      socket.write(logsIn);
      socket.once("data", () => socket.destroy());
    },
  ],
  ["says in the same packet that it shuts down", (socket) => void socket.end(Buffer.concat([logsIn, says]))],
];
let dying: ReturnType<typeof createServer>;
afterEach(() => dying.close());

test.each(servers)("a server that %s is an error of that question, and ends no monitor", async (_, letIn) => {
  dying = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => letIn(socket));
  });
  await new Promise<void>((listening) => dying.listen(0, "127.0.0.1", listening));
  const url = `postgresql://monitor@127.0.0.1:${(dying.address() as AddressInfo).port}/authensor`;
  const server = new Server(url, "test", 1);
  const heard: unknown[] = [];
  const onUncaught = (error: unknown) => heard.push(error);
  process.on("uncaughtException", onUncaught);
  for (let time = 0; time < 3; time++)
    await expect(server.query("select 1", new AbortController().signal)).rejects.toThrow(
      /terminated unexpectedly|ECONNRESET|EPIPE|shutting down|not queryable/,
    );
  await new Promise((passed) => setTimeout(passed, 50));
  process.off("uncaughtException", onUncaught);
  await server.end();
  expect(heard).toEqual([]);
});
