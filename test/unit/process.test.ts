import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { canListen, freePort, stillOurs } from "../../cloud/host/ports";
import { run } from "../../cloud/host/command";
import { processMark, running } from "../../cloud/host/pidFile";
import { runToEnd, start, stop, stopAll } from "../../cloud/host/process";
import { waitUntil } from "../../cloud/host/wait";

const directory = mkdtempSync(join(tmpdir(), "process-test-"));
let count = 0;

function spec(script: string, env: Record<string, string> = {}) {
  count++;
  const files = { pidFile: join(directory, `${count}.pid`), logFile: join(directory, `${count}.log`) };
  return { name: "the server", command: "/bin/sh", args: ["-c", script], env, ...files };
}

afterEach(() => stopAll(directory, { graceMs: 0 }));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a started process", () => {
  test("is found by its pid file until it is stopped", async () => {
    const sleeper = spec("exec sleep 60");
    const { pid } = await start(sleeper);
    expect(running(sleeper.pidFile)).toBe(pid);
    expect(await stop(sleeper.pidFile)).toBe(true);
    expect(running(sleeper.pidFile)).toBeUndefined();
    expect(await stop(sleeper.pidFile)).toBe(false);
  });

  test("is found, and ended, before it has become the program that it is to be", async () => {
    const sleeper = spec("exec sleep 60");
    const starting = start(sleeper);
    expect(running(sleeper.pidFile)).toBeDefined();
    expect(await stop(sleeper.pidFile)).toBe(true);
    const { exited } = await starting;
    expect(await exited).toMatchObject({ signal: "SIGTERM" });
  });

  test("is not started twice", async () => {
    const sleeper = spec("exec sleep 60");
    const first = await start(sleeper);
    expect(await start(sleeper)).toEqual({ pid: first.pid, exited: null });
  });

  test("is not taken for another that was given its pid later", () => {
    const file = join(directory, "reused.pid");
    writeFileSync(file, `${process.pid} ${processMark(process.pid)}`);
    expect(running(file)).toBe(process.pid);
    writeFileSync(file, `${process.pid} an-earlier-process`);
    expect(running(file)).toBeUndefined();
    rmSync(file);
  });

  test("sees the environment it was given and nothing else of ours", async () => {
    process.env["SECRET_OF_THIS_SHELL"] = "x";
    const printer = spec("env", { GIVEN: "yes" });
    await runToEnd(printer);
    const seen = readFileSync(printer.logFile, "utf8");
    expect(seen).toContain("GIVEN=yes");
    expect(seen).not.toContain("SECRET_OF_THIS_SHELL");
  });

  test("is killed when it ignores the signal", async () => {
    const deaf = spec("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    await start(deaf);
    await waitUntil("ready", () => readFileSync(deaf.logFile, "utf8").includes("ready"));
    await stop(deaf.pidFile, { graceMs: 100 });
    expect(running(deaf.pidFile)).toBeUndefined();
  });
});

describe("a process that runs to its end", () => {
  test("gives its exit code", async () => {
    expect(await runToEnd(spec("exit 3"))).toMatchObject({ code: 3, timedOut: false });
  });

  test("is ended when the time is up", async () => {
    expect(await runToEnd(spec("exec sleep 60"), { timeoutMs: 100 })).toMatchObject({ timedOut: true });
  });

  test("is ended on Ctrl-C", async () => {
    const abort = new AbortController();
    const sleeper = spec("exec sleep 60");
    const end = runToEnd(sleeper, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("interrupted")), 50);
    await expect(end).rejects.toThrow("interrupted");
    expect(running(sleeper.pidFile)).toBeUndefined();
  });

  test("is ended on a Ctrl-C that comes while it is being started", async () => {
    const abort = new AbortController();
    const sleeper = spec("exec sleep 60");
    const end = runToEnd(sleeper, { signal: abort.signal });
    abort.abort(new Error("interrupted"));
    await expect(end).rejects.toThrow("interrupted");
    expect(running(sleeper.pidFile)).toBeUndefined();
  });
});

describe("waiting", () => {
  test("ends at once when the process dies, and quotes its log", async () => {
    const broken = spec("echo 'FATAL: no such database'; exit 1");
    await start(broken);
    const began = Date.now();
    const wait = waitUntil("the server is ready", () => false, broken);
    await expect(wait).rejects.toThrow(/the server is ready: the process ended\n.*FATAL: no such database/s);
    expect(Date.now() - began).toBeLessThan(5000);
  });

  test("says after which time it gave up, and the probe's last error", async () => {
    const probe = () => Promise.reject(new Error("connection refused"));
    const wait = waitUntil("the server is ready", probe, { timeoutMs: 60, everyMs: 10 });
    await expect(wait).rejects.toThrow("the server is ready: not within 0 s (connection refused)");
  });
});

test("a command that fails says what it wrote to stderr", async () => {
  expect(await run("/bin/sh", ["-c", "cat"], { input: "hello" })).toBe("hello");
  await expect(run("/bin/sh", ["-c", "echo broken >&2; exit 4"])).rejects.toThrow("/bin/sh exited with 4: broken");
});

describe("a remembered port", () => {
  test("is given up when a stranger listens on it, and kept when our own process does", async () => {
    const port = await freePort();
    expect(await stillOurs(port, directory)).toBe(true);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    expect(await canListen(port)).toBe(false);
    expect(await stillOurs(port, directory)).toBe(false);
    await new Promise((resolve) => server.close(resolve));

    const listener = spec(
      `exec '${process.execPath}' -e 'require("node:net").createServer().listen(${port}, "127.0.0.1")'`,
    );
    await start(listener);
    await waitUntil("it listens", async () => !(await canListen(port)), listener);
    expect(await stillOurs(port, directory)).toBe(true);
  });
});
