/** What stands for the control plane's image: the user's own command, a Docker engine where one answers, the stand-in. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Properties, Resource } from "../../cloud/handler";
import { repositoryOf } from "../../cloud/kubernetes/images";
import { FakeCluster, template } from "./fakeCluster";

const server = (name: string) => `
require("node:http").createServer((_, response) => response.end(JSON.stringify({ name: "${name}", env: process.env })))
  .listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => { console.log("asked to end"); process.exit(0); });
`;
const controlPlane = (image = "ghcr.io/authensor/control-plane:1.2.3"): Properties => ({
  spec: {
    selector: { matchLabels: { app: "cp" } },
    progressDeadlineSeconds: 20,
    template: template(
      { app: "cp" },
      {
        image,
        ports: [{ containerPort: 3000 }],
        env: [
          { name: "PORT", value: "3000" },
          { name: "FILE", value: "/settings/a.ini" },
        ],
        readinessProbe: { httpGet: { path: "/health", port: 3000 } },
        volumeMounts: [{ name: "settings", mountPath: "/settings" }],
      },
      { volumes: [{ name: "settings", configMap: { name: "settings" } }] },
    ),
  },
});

let cluster: FakeCluster;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "images-"));
  for (const name of ["first", "second"]) writeFileSync(join(directory, `${name}.js`), server(name));
  cluster = await FakeCluster.start();
  await cluster.create("configMap", "settings", { data: { "a.ini": "port = 3000\npath = /settings\n" } });
});
afterAll(async () => {
  await cluster.end();
  rmSync(directory, { recursive: true });
});
afterEach(() => vi.unstubAllEnvs());

const podOf = (resource: Resource) => {
  const root = join(cluster.of(resource).directory, "pods");
  const [name = ""] = readdirSync(root);
  const record = JSON.parse(readFileSync(join(root, name, "pod.json"), "utf8")) as { ports: Record<string, number> };
  return { directory: join(root, name), port: record.ports["3000"] ?? 0 };
};
const ask = async (resource: Resource) =>
  (await (await fetch(`http://127.0.0.1:${podOf(resource).port}/`)).json()) as {
    name: string;
    env: Record<string, string>;
  };

describe("CONTROL_PLANE_COMMAND", () => {
  it("runs with the container's environment, and its change is a change", async () => {
    vi.stubEnv("CONTROL_PLANE_COMMAND", `node ${directory}/first.js`);
    const deployment = await cluster.create("deployment", "own", controlPlane());
    const { name, env } = await ask(deployment);
    expect(name).toBe("first");
    expect(env["FILE"]).toBe(join(podOf(deployment).directory, "files/main/settings/a.ini"));
    expect(await cluster.heal(deployment)).toBeUndefined();

    vi.stubEnv("CONTROL_PLANE_COMMAND", `cd ${directory} && node second.js`);
    expect(await cluster.heal(deployment)).toBe("replaced 1 of 1");
    expect((await ask(deployment)).name).toBe("second");
    expect((await cluster.status(deployment))?.text).toContain("CONTROL_PLANE_COMMAND");

    // A shell that does not pass signals on must not leave its program behind.
    const { port } = podOf(deployment);
    await cluster.delete(deployment);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
  });
});

describe("without a command", () => {
  it("the stand-in serves the container's contract", async () => {
    vi.stubEnv("CONTROL_PLANE_COMMAND", "");
    const deployment = await cluster.create("deployment", "stand-in", controlPlane());
    const health = await fetch(`http://127.0.0.1:${podOf(deployment).port}/health`);
    expect(health.status).toBe(200);
    expect((await cluster.status(deployment))?.text).toContain("stand-in");
    expect(await cluster.heal(deployment)).toBeUndefined();
    await cluster.delete(deployment);
  });
});

describe("a Docker engine", () => {
  it("runs the image with the container's own paths and this machine's ports", async () => {
    // A client that answers like one with an engine behind it, and runs a program of ours for the image.
    const calls = join(directory, "calls");
    const bin = mkdtempSync(join(directory, "bin-"));
    const fake = `#!/bin/sh\necho "$@" >>${calls}\n[ "$1" = run ] && exec node ${directory}/first.js\nexit 0\n`;
    writeFileSync(join(bin, "docker"), fake);
    chmodSync(join(bin, "docker"), 0o755);
    vi.resetModules(); // whether an engine answers is asked once
    vi.stubEnv("CONTROL_PLANE_COMMAND", "");
    vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
    const { handlers } = await import("../../cloud/kubernetes/index.js");
    const { substitutes } = await import("../../local/substitutes.js");
    const handler = handlers["kubernetes:apps/v1:Deployment"];
    const context = { ...cluster.contextOf("deployment", "docker"), substitutes };
    const metadata = { name: "docker", namespace: "testing" };
    await handler?.create({ ...controlPlane("example.org/authensor/control-plane:9"), metadata }, context);
    // Elsewhere an engine is a virtual machine with a network of its own: it is not asked, the stand-in takes over.
    if (process.platform !== "linux") return expect(existsSync(calls)).toBe(false);
    const [pod = ""] = readdirSync(join(context.directory, "pods"));
    const files = join(context.directory, "pods", pod, "files/main/settings");
    const run =
      readFileSync(calls, "utf8")
        .split("\n")
        .find((line) => line.startsWith("run ")) ?? "";
    expect(run).toContain(`--name testing-${pod}-main --network host`);
    expect(run).toContain("--env PORT --env FILE");
    expect(run).toContain(`--volume ${files}:/settings`);
    expect(run).toMatch(/ example\.org\/authensor\/control-plane:9$/);
    expect(readFileSync(join(files, "a.ini"), "utf8")).toMatch(/^port = [23]\d{4}\npath = \/settings\n$/);
  });
});

it("an image is known by the last part of its repository's name", () => {
  expect(repositoryOf("pgbouncer")).toBe("pgbouncer");
  expect(repositoryOf("ghcr.io/cloudnative-pg/pgbouncer:1.25.2")).toBe("pgbouncer");
  expect(repositoryOf("localhost:5000/node@sha256:0123")).toBe("node");
  expect(repositoryOf("docker.io/library/node:22-alpine@sha256:0123")).toBe("node");
});
