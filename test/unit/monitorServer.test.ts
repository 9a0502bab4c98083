/** The monitor's connection to a server (ops/monitor/server.ts). */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Server } from "../../ops/monitor/server";

const logsIn = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** Lets everybody in, and is gone without a word as soon as it is asked. */
const dying = createServer((socket: Socket) => {
  socket.once("data", () => {
    socket.write(logsIn);
    socket.once("data", () => socket.destroy());
  });
});
afterEach(() => dying.close());

test("a server that is gone without a word while it is asked is an error of that question, and ends no monitor", async () => {
  await new Promise<void>((listening) => dying.listen(0, "127.0.0.1", listening));
  const url = `postgresql://monitor@127.0.0.1:${(dying.address() as AddressInfo).port}/authensor`;
  const server = new Server(url, "test", 1);
  const heard: unknown[] = [];
  const onUncaught = (error: unknown) => heard.push(error);
  process.on("uncaughtException", onUncaught);
  for (let time = 0; time < 3; time++)
    await expect(server.query("select 1", new AbortController().signal)).rejects.toThrow(
      /terminated unexpectedly|ECONNRESET/,
    );
  await new Promise((passed) => setTimeout(passed, 50));
  process.off("uncaughtException", onUncaught);
  await server.end();
  expect(heard).toEqual([]);
});
