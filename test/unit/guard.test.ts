/** What the guard does for requests, connections and itself. Its part in statements: guardStatements.test.ts. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { connectionLifetime, idleClient } from "../../ops/guard/limits";
import { buildGuard, lines, start } from "../guarded";

buildGuard();

/** pg's own pool over a client that needs no server; a query takes 300 ms. */
const pool = `
  import { EventEmitter } from "node:events";
  import pg from "pg";
  class Client extends EventEmitter {
    _queryable = true;
    connect(done) { setImmediate(done); }
    query(text, values, done) { setTimeout(() => { console.log("ran", text); done(null, {}); }, 300); }
    end(done) { console.log("connection closed"); done?.(); }
    isConnected() { return true; }
  }
  const pool = new pg.Pool({ Client, idleTimeoutMillis: 0, max: 1 });
`;

describe.concurrent("an idle connection that the pooler closes", () => {
  const closes = `${pool}
    pool.connect().then((client) => {
      client.release();
      setImmediate(() => client.emit("error", new Error("Connection terminated unexpectedly")));
      setTimeout(() => console.log("still here, connections left:", pool.totalCount), 100);
    });`;

  test("ends a program whose pool has no listener, so that the guard is needed", async () => {
    const { end, output } = start(closes, { guarded: false });
    expect(await end).not.toBe(0);
    expect(output.stdout).not.toContain("still here");
  });

  test("is dropped by the guarded one, which goes on and says so", async () => {
    const { end, output } = start(closes);
    expect(await end).toBe(0);
    expect(output.stdout).toContain("still here, connections left: 0");
    expect(lines(output.stderr)).toMatchObject([{ level: "warn", error: "Connection terminated unexpectedly" }]);
  });

  test.each(['throw new Error("a bug")', 'Promise.reject(new Error("a bug"))', 'throw "a bug"'])(
    "is no excuse for any other error, which ends the program as before: %s",
    async (script) => {
      const { end, output } = start(`setTimeout(() => {}, 5000); ${script}`);
      expect(await end).toBe(1);
      expect(output.stderr).toContain("a bug");
    },
  );

  test("leaves the last word to a listener that the program has itself", async () => {
    const source = 'process.on("uncaughtException", () => console.log("mine")); throw new Error("a bug")';
    const { end, output } = start(source);
    expect(await end).toBe(0);
    expect(output.stdout).toBe("mine\n");
  });
});

describe.concurrent("connections to the pooler", () => {
  const lifetime = (own: string) => `${pool}
    Object.assign(pool.options, { maxLifetimeSeconds: ${own} });
    pool.query("select 1").then(() => { console.log("lifetime", pool.options.maxLifetimeSeconds); process.exit(); });`;

  test.each([
    ["0", connectionLifetime],
    ["3600", connectionLifetime],
    ["7", 7],
  ])(
    "of a pool that wants %s s live %i s, though the program imports its driver as an ES module",
    async (own, lives) => {
      const { end, output } = start(lifetime(own));
      expect(await end).toBe(0);
      expect(output.stdout).toContain(`lifetime ${lives}`);
      expect(output.stderr).toBe("");
    },
  );

  const limits = (own: string) => `${pool}
    Object.assign(pool.options, ${own});
    pool.query("select 1").then(() => { console.log(JSON.stringify(pool.options)); process.exit(); });`;
  const limitsOf = async (own: string) => {
    const { end, output } = start(limits(own));
    expect(await end).toBe(0);
    return JSON.parse(output.stdout.trim().split("\n").at(-1)!) as Record<string, unknown>;
  };
  test("are given up where a pooler answers nothing, and asked whether the other end is there", async () => {
    expect(await limitsOf("{}")).toMatchObject({
      connectionTimeoutMillis: 5000,
      query_timeout: 30_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
  });
  test("keep the limits of their pool where those are narrower", async () => {
    expect(await limitsOf("{ connectionTimeoutMillis: 100, query_timeout: 60000 }")).toMatchObject({
      connectionTimeoutMillis: 100,
      query_timeout: 30_000,
    });
  });

  const away = (done: string) => `${pool}
    let tries = 0;
    const { connect } = Client.prototype;
    Client.prototype.connect = function (done) { tries++ < 2 ? setImmediate(() => done(new Error("away"))) : connect(done); };
    ${done}`;
  test.each([
    ["a query", 'pool.query("mine").then(() => process.exit(0), () => process.exit(1))'],
    ["a client", "pool.connect().then(() => process.exit(0), () => process.exit(1))"],
    ["a client by callback", "pool.connect((error, client, release) => process.exit(error || !release ? 1 : 0))"],
  ])("that do not come about at the start are tried again, for who asks for %s", async (_, asks) => {
    const { end, output } = start(away(asks));
    expect(await end).toBe(0);
    expect(lines(output.stderr).map(({ level, error }) => [level, error])).toEqual([
      ["warn", "away"],
      ["info", undefined],
    ]);
  });
  test("that never come about let a program be told to end all the same", async () => {
    const { end, kill, output } = start(
      `${pool} Client.prototype.connect = (done) => setImmediate(() => done(new Error("away"))); pool.query("mine");`,
    );
    while (!output.stderr.includes("waiting")) await new Promise((resolve) => setTimeout(resolve, 5));
    kill("SIGTERM");
    expect(await end).toBe(0);
  });

  test("of a driver that knows no lifetime are left as they are, and one line says so", async () => {
    // Node.js 24 warns of the time-out that pg reckons without a lifetime.
    const { end, output } = start(lifetime("undefined"), { env: { NODE_NO_WARNINGS: "1" } });
    expect(await end).toBe(0);
    expect(lines(output.stderr)).toMatchObject([{ level: "warn" }]);
    expect(output.stderr).toContain("maxLifetimeSeconds");
  });

  test.each([
    ["is not there", undefined, "Cannot find module 'pg'"],
    ["has another shape", "module.exports = { Pool: { prototype: {} } };", "its Pool has no connect() and end()"],
    ["throws", "throw new Error('no such ABI');", "no such ABI"],
  ])("cannot be kept young where the driver %s; one line says so, and the program runs", async (_, driver, reason) => {
    const place = mkdtempSync(join(tmpdir(), "guard-other-"));
    try {
      if (driver !== undefined) {
        mkdirSync(join(place, "node_modules/pg"), { recursive: true });
        writeFileSync(join(place, "node_modules/pg/index.js"), driver);
      }
      const { end, output } = start('console.log("served")', { place });
      expect(await end).toBe(0);
      expect(output.stdout).toBe("served\n");
      expect(lines(output.stderr)).toHaveLength(1);
      expect(lines(output.stderr)[0]!.error).toContain(reason);
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

describe("a client's connection", () => {
  /** A program that closes connections on which nothing was sent for 50 ms, and those that are idle for 50 ms and Node's second on top. */
  const hasty = (own = 50) => `
    import { createServer } from "node:http";
    const limits = { keepAliveTimeout: ${own}, headersTimeout: ${own}, connectionsCheckingInterval: 10 };
    const server = createServer(limits, (request, response) => response.end("well"));
    server.listen(0, "127.0.0.1", () => console.log("port=" + server.address().port + ";", server.keepAliveTimeout, server.headersTimeout, "."));`;
  const connected = async (guarded: boolean) => {
    const program = start(hasty(), { guarded });
    await program.printed(".");
    const socket = connect(Number(/port=(\d+)/.exec(program.output.stdout)![1]), "127.0.0.1");
    let received = "";
    let ended = false;
    socket.setEncoding("utf8").on("data", (text: string) => (received += text));
    socket.on("end", () => (ended = true)).on("error", () => (ended = true));
    await once(socket, "connect");
    const ask = async () => {
      received = "";
      socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      while (!received.includes("well") && !ended) await new Promise((resolve) => setTimeout(resolve, 5));
      return received;
    };
    const idle = () => Promise.race([once(socket, "end"), new Promise((resolve) => setTimeout(resolve, 1300))]);
    const end = () => (socket.destroy(), program.kill("SIGKILL"), program.end);
    return { ask, idle, end };
  };

  test.each([
    [false, /^$/],
    [true, /well/],
  ])("that is idle is closed by such a program, and kept where it is guarded (%s)", async (guarded, then) => {
    const { ask, idle, end } = await connected(guarded);
    expect(await ask()).toContain("well");
    await idle();
    expect(await ask()).toMatch(then);
    await end();
  });

  test.each([
    [false, /408 Request Timeout|^$/],
    [true, /200 OK/],
  ])("on which nothing was sent yet, likewise (%s)", async (guarded, then) => {
    const { ask, idle, end } = await connected(guarded);
    await idle();
    expect(await ask()).toMatch(then);
    await end();
  });

  test("is kept for longer than AWS' load balancers keep it, and its client is told so", async () => {
    const { ask, end } = await connected(true);
    expect(await ask()).toMatch(/^Keep-Alive: timeout=65\r$/m);
    expect(idleClient).toBeGreaterThan(60);
    await end();
  });

  test.each([
    [0, "; 0 0 ."],
    [90_000, "; 90000 90000 ."],
    [5_000, "; 65000 66000 ."],
  ])("that a program keeps for %i ms is kept no shorter", async (own, limits) => {
    const program = start(hasty(own));
    await program.printed(".");
    expect(program.output.stdout).toContain(limits);
    program.kill("SIGKILL");
    await program.end;
  });
});

describe.concurrent("a program that is told to end", () => {
  /** Answers after 300 ms, /slow never; each answer leaves a query behind that nobody waits for. */
  const server = `${pool}
    import { createServer } from "node:http";
    setInterval(() => {}, 1000);
    const server = createServer((request, response) => {
      console.log("asked", request.url);
      if (request.url === "/never") return;
      setTimeout(() => {
        response.writeHead(200, { "content-type": "text/plain" });
        response.end("well");
        pool.query("one after " + request.url);
        pool.query("two after " + request.url);
      }, 300);
    });
    server.listen(0, "127.0.0.1", () => console.log("port=" + server.address().port + ";"));`;
  const serve = async () => {
    const program = start(server);
    await program.printed(";");
    return { ...program, port: Number(/port=(\d+)/.exec(program.output.stdout)![1]) };
  };
  /** The answer, with its body read. */
  const ask = (port: number, path: string, agent: Agent) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      get({ port, path, agent, host: "127.0.0.1" }, (response) => {
        response.resume().once("end", () => resolve(response));
      }).once("error", reject);
    });
  const persistent = () => new Agent({ keepAlive: true, maxSockets: 1 });

  // Alone: it asks within the second that is left of the program.
  test.sequential(
    "answers what it was asked, asks to close, runs the queries that are left, closes its pool and exits with 0",
    async () => {
      const { port, end, kill, printed, output } = await serve();
      const [one, other] = [persistent(), persistent()];
      await ask(port, "/before", other);
      const inFlight = ask(port, "/in-flight", one);
      await printed("asked /in-flight");
      kill("SIGTERM");
      const answers = await Promise.all([inFlight, ask(port, "/after-the-signal", other)]);
      expect(answers.map(({ statusCode, headers }) => [statusCode, headers.connection])).toEqual([
        [200, "close"],
        [200, "close"],
      ]);
      expect(await end).toBe(0);
      const ran = output.stdout.match(/^ran .*$/gm)!;
      expect(ran.filter((line) => line.includes("/in-flight"))).toEqual([
        "ran one after /in-flight",
        "ran two after /in-flight",
      ]);
      expect(ran.filter((line) => line.includes("/after-the-signal"))).toHaveLength(2);
      expect(output.stdout.trim().split("\n").at(-1)).toBe("connection closed");
    },
  );

  test("does not wait for connections on which nothing is asked", async () => {
    const { port, end, kill } = await serve();
    const silent = connect(port, "127.0.0.1");
    silent.on("error", () => undefined);
    await once(silent, "connect");
    kill("SIGTERM");
    expect(await end).toBe(0);
    silent.destroy();
  });

  test("ends an idle connection in order, and is not kept by it", async () => {
    const { port, end, kill } = await serve();
    const idle = connect(port, "127.0.0.1");
    let reset: Error | undefined;
    const over = once(
      idle.on("error", (error) => (reset = error)),
      "end",
    );
    idle.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await once(idle, "data");
    const began = Date.now();
    kill("SIGTERM");
    expect(await end).toBe(0);
    // The farewell, 1 s here, and what the end itself takes on a machine with other work; nothing of the 65 s that the connection may be idle for.
    expect(Date.now() - began).toBeLessThan(20_000);
    await over;
    expect(reset).toBeUndefined();
  });

  test("ends all the same when a request takes too long, and says so with its exit code", async () => {
    const { port, end, kill, printed, output } = await serve();
    const asked = ask(port, "/never", persistent()).catch((error: Error) => error);
    await printed("asked /never");
    kill("SIGTERM");
    expect(await end).toBe(1);
    expect(await asked).toBeInstanceOf(Error);
    expect(output.stderr).toContain("cut off");
  });

  test("ends at once when it is told again", async () => {
    const { port, end, kill, printed, output } = await serve();
    const asked = ask(port, "/never", persistent()).catch((error: Error) => error);
    await printed("asked /never");
    kill("SIGTERM");
    while (!output.stderr.includes("stopping")) await new Promise((resolve) => setTimeout(resolve, 5));
    kill("SIGTERM");
    expect(await end).toBe(1);
    expect(output.stderr).not.toContain("cut off");
    await asked;
  });

  test("ends in its own way where it has one", async () => {
    const { end, kill, printed, output } = start(
      `setInterval(() => {}, 1000); process.on("SIGTERM", () => { console.log("my own way"); process.exit(3); }); console.log("up");`,
    );
    await printed("up");
    kill("SIGTERM");
    expect(await end).toBe(3);
    expect(output.stdout).toContain("my own way");
  });
});
