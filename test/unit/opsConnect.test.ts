import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../ops/database";

let server: Server | undefined;
afterEach(() => new Promise<void>((done) => void (server ? server.close(() => done()) : done())));

/** Takes connections and says nothing, as a network that drops packets. */
async function silentServer(onConnection: () => void): Promise<number> {
  server = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    onConnection();
  });
  await new Promise<void>((done) => server!.listen(0, "127.0.0.1", done));
  return (server.address() as { port: number }).port;
}

test("a server that does not answer is tried again until the patience is over, then named without the password", async () => {
  let connections = 0;
  const port = await silentServer(() => connections++);
  const url = `postgresql://owner:hunter2@127.0.0.1:${port}/authensor?sslmode=disable`;
  const failed = connect({ url, applicationName: "test", timeoutSeconds: 1 });
  await expect(failed).rejects.toThrow(`cannot connect to 127.0.0.1:${port}/authensor as owner: timeout expired`);
  expect(connections).toBeGreaterThan(1);
});
