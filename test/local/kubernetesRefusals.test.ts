/** What an API server or a kubelet would refuse fails here too, in their words. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties } from "../../cloud/handler";
import { FakeCluster, namespace } from "./fakeCluster";
import { clusterWithPrograms, web } from "./webProgram";

let cluster: FakeCluster;
beforeAll(async () => {
  cluster = await clusterWithPrograms();
  await cluster.create("configMap", "settings", {
    data: { "app.ini": "listen_port = 3000\ndirectory = /app\n", COLOUR: "green" },
  });
  await cluster.create("secret", "password", { stringData: { password: "s3cret" } });
});
afterAll(() => cluster.end());

describe("a wrong reference fails the deployment, with the kubelet's words", () => {
  const env = (valueFrom: Properties) => web({ env: [{ name: "X", valueFrom }] });
  const cases: [claim: string, inputs: Properties, message: RegExp][] = [
    [
      "an unknown secret",
      env({ secretKeyRef: { name: "none", key: "x" } }),
      /CreateContainerConfigError: secret "none" not found/,
    ],
    [
      "an unknown key",
      env({ secretKeyRef: { name: "password", key: "x" } }),
      /couldn't find key x in Secret testing\/password/,
    ],
    ["an unknown ConfigMap", web({ envFrom: [{ configMapRef: { name: "none" } }] }), /configmap "none" not found/],
    [
      "an unknown mounted key",
      web({}, { volumes: [{ name: "programs", configMap: { name: "programs", items: [{ key: "x", path: "x" }] } }] }),
      /references non-existent configmap key: x/,
    ],
    ["an undeclared volume", web({}, { volumes: [] }), /volumeMounts \/app: Not found: "programs"/],
    ["an unknown image", web({ image: "redis:7" }), /image "redis:7": this machine has no program for "redis"/],
    ["an unknown program", web({ command: ["nodejs-of-old"] }), /exec: "nodejs-of-old": executable file not found/],
    ["an unknown service account", web({}, { serviceAccountName: "robot" }), /serviceaccount "robot" not found/],
    ["an unknown namespace", { ...web(), metadata: { namespace: "nowhere" } }, /namespaces "nowhere" not found/],
    [
      "a selector that misses its own pods",
      { spec: { ...(web()["spec"] as object), selector: { matchLabels: { app: "wbe" } } } },
      /`selector` does not match template `labels`/,
    ],
    [
      "a value that is not a string",
      web({ env: [{ name: "X", value: 5 }] }),
      /containers\[0\]\.env\[1\]\.value: .*expected string/,
    ],
    ["a restart policy of Jobs", web({}, { restartPolicy: "Never" }), /restartPolicy: Unsupported value/],
  ];
  it.each(cases)("%s", async (claim, inputs, message) => {
    await expect(cluster.create("deployment", claim.toLowerCase().replaceAll(" ", "-"), inputs)).rejects.toThrow(
      message,
    );
  });

  it.each([
    ["nothing", 80, 'service "nothing" not found in namespace testing'],
    ["front", 81, 'service "front" has no port 81'],
  ])("an Ingress that leads to %s:%d", async (service, port, why) => {
    const known = cluster.resources("kubernetes:core/v1:Service").some(({ name }) => name === "front");
    const annotations = { "pulumi.com/skipAwait": "true" };
    if (!known)
      await cluster.create("service", "front", {
        metadata: { annotations },
        spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
      });
    const paths = [{ path: "/", pathType: "Prefix", backend: { service: { name: service, port: { number: port } } } }];
    const inputs = { spec: { rules: [{ host: "a.example.com", http: { paths } }] } };
    const made = cluster.create("kubernetes:networking.k8s.io/v1:Ingress", "in", inputs);
    await expect(made).rejects.toThrow(why);
  });

  it("a program that keeps dying, with the end of its log", async () => {
    const failing = cluster.create("deployment", "failing", web({ command: ["node", "/app/fail.js"] }));
    await expect(failing).rejects.toThrow(/CrashLoopBackOff: .*container main exited with 3.*relation does not exist/s);
  });

  it("a program that never gets ready, with its probe's answer, and leaves no process", async () => {
    const inputs = web({ env: [{ name: "NEVER_READY", value: "1" }] });
    Object.assign(inputs["spec"] as object, { progressDeadlineSeconds: 1 });
    const before = cluster.create("deployment", "unready", inputs);
    await expect(before).rejects.toThrow(
      /not ready after 1 s: .*HTTP probe failed with statuscode: 503.*\| listening/s,
    );
  });
});

describe("configuration objects", () => {
  it("are refused above 1 MiB", async () => {
    const data = { text: "x".repeat(1_048_577) };
    await expect(cluster.create("configMap", "large", { data })).rejects.toThrow(
      "may not be more than 1048576 bytes, has 1048577",
    );
  });

  it("have Secrets' text as base64 in their outputs", async () => {
    const secret = await cluster.create("secret", "encoded", { stringData: { a: "1" }, data: { b: "Mg==" } });
    expect(secret.outputs["data"]).toEqual({ a: "MQ==", b: "Mg==" });
  });

  it("are refused with text where base64 belongs", async () => {
    await expect(cluster.create("secret", "plain", { data: { a: "plain text" } })).rejects.toThrow(
      "data.a: illegal base64 data",
    );
  });

  it("cannot be changed once immutable", async () => {
    const fixed = await cluster.create("configMap", "fixed", { immutable: true, data: { a: "1" } });
    await expect(cluster.update(fixed, { immutable: true, data: { a: "2" } })).rejects.toThrow("field is immutable");
  });

  it("are named by Pulumi's autonaming where the program gives no name", async () => {
    const object = await cluster.create("configMap", "auto", { metadata: { name: undefined }, data: {} });
    expect(object.id).toMatch(/^testing\/auto-[0-9a-f]{7}$/);
    expect(object.outputs["metadata"]).toMatchObject({ namespace, annotations: { "pulumi.com/autonamed": "true" } });
  });
});
