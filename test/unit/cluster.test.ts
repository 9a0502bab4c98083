import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunError } from "@pulumi/pulumi/errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPrivateBlock } from "../../components/network/addressBlocks";
import { AdminToken } from "../../components/controlPlane/adminToken";
import { kubeconfig } from "../../components/stack/clusterAccess";
import { isCron } from "../../components/programs/cron";
import { databaseCa } from "../../components/connections/databaseCa";
import { Tenancy } from "../../components/pods/tenancy";
import { record, valueOf } from "./mocks";

describe("the namespace", () => {
  const build = (createNamespace = true, podReadinessGates = false) =>
    record(() => new Tenancy("t", { namespace: "authensor", createNamespace, podReadinessGates }));

  test("has an AWS load balancer's readiness gate put into pods where one leads to them, and only there", async () => {
    const label = "elbv2.k8s.aws/pod-readiness-gate-inject";
    const labelsWith = async (gates: boolean) =>
      (await build(true, gates)).one("kubernetes:core/v1:Namespace").inputs.metadata as { labels: object };
    expect((await labelsWith(true)).labels).toMatchObject({ [label]: "enabled" });
    expect((await labelsWith(false)).labels).not.toHaveProperty([label]);
  });

  test("admits restricted pods only, and lets none of them talk to anyone", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:pods:Tenancy t",
      "kubernetes:core/v1:Namespace t",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy t-deny-all",
    ]);
    expect(world.one("kubernetes:core/v1:Namespace").inputs.metadata).toEqual({
      name: "authensor",
      labels: {
        "app.kubernetes.io/part-of": "authensor",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
      },
    });
    expect(world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs).toMatchObject({
      metadata: { namespace: "authensor" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
  });

  test("of somebody else's is left as it is: only our own pods are denied, by the label that they all have", async () => {
    const world = await build(false);
    expect(world.census).toEqual([
      "authensor:pods:Tenancy t",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy t-deny-all",
    ]);
    expect(world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs.spec).toEqual({
      podSelector: { matchLabels: { "app.kubernetes.io/part-of": "authensor" } },
      policyTypes: ["Ingress", "Egress"],
    });
  });

  test("is there before it denies", async () => {
    const world = await build();
    const namespace = world.one("kubernetes:core/v1:Namespace");
    expect(world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").dependencies).toContain(namespace.urn);
  });
});

describe("the admin token", () => {
  test("is random, in a Secret, and never in the open", async () => {
    const world = await record(() => new AdminToken("a", { namespace: "ns" }));
    expect(world.census).toEqual([
      "authensor:controlPlane:AdminToken a",
      "kubernetes:core/v1:Secret a",
      "random:index/randomPassword:RandomPassword a",
    ]);
    expect(world.one("random:index/randomPassword:RandomPassword").inputs).toMatchObject({
      length: 48,
      special: false,
    });
    const secret = world.one("kubernetes:core/v1:Secret");
    expect(secret.inputs).toMatchObject({ immutable: true, metadata: { namespace: "ns" } });
    expect(await valueOf(world.result.secret)).toEqual({ name: "a-abc1234", key: "token" });
    world.expectNothingSecretInPlain();
  });
});

describe("the kubeconfig", () => {
  const cluster = { name: "platform", region: "eu-central-1", endpoint: "https://api", certificateAuthority: "Q0E=" };

  test("holds no credential: it asks the AWS command line for one, each time", () => {
    const config = JSON.parse(kubeconfig(cluster)) as {
      clusters: unknown[];
      users: [{ user: Record<string, { args: string[] }> }];
    };
    expect(config.clusters).toEqual([
      { name: "platform", cluster: { server: "https://api", "certificate-authority-data": "Q0E=" } },
    ]);
    const [{ user }] = config.users;
    expect(Object.keys(user)).toEqual(["exec"]);
    expect(user.exec!.args).toEqual([
      ...["eks", "get-token", "--cluster-name", "platform", "--region", "eu-central-1", "--output", "json"],
    ]);
  });

  test("asks as the role that deploys, where one is named", () => {
    const config = JSON.parse(kubeconfig(cluster, "arn:aws:iam::123456789012:role/deploy")) as {
      users: [{ user: { exec: { args: string[] } } }];
    };
    expect(config.users[0].user.exec.args.slice(-2)).toEqual(["--role-arn", "arn:aws:iam::123456789012:role/deploy"]);
  });
});

describe("the authorities that database servers are verified by", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "database-ca-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const subjects = (pem: string) =>
    pem
      .split(/(?<=-----END CERTIFICATE-----)\n/)
      .filter((block) => block.includes("BEGIN"))
      .map((block) => new X509Certificate(block).subject);

  test("are RDS' of the regions in use, and of no other region", () => {
    const found = subjects(databaseCa(["eu-central-1", "us-west-2"], undefined));
    expect(found.length).toBeGreaterThanOrEqual(4);
    for (const subject of found) expect(subject).toMatch(/Amazon RDS (eu-central-1|us-west-2) /);
    for (const region of ["eu-central-1", "us-west-2"])
      expect(found.some((subject) => subject.includes(`Amazon RDS ${region} Root CA RSA2048 G1`))).toBe(true);
  });

  test("of a region that is not known fail the deployment instead of leaving it unverified", () => {
    expect(() => databaseCa(["eu-central-1", "xx-nowhere-1"], undefined)).toThrow(/xx-nowhere-1/);
  });

  test("are a file's where one is given, and a file without a certificate is refused", () => {
    const file = join(directory, "ca.pem");
    const bundle = databaseCa(["eu-central-1"], undefined);
    writeFileSync(file, bundle);
    expect(databaseCa(["xx-nowhere-1"], file)).toBe(bundle);
    for (const wrong of ["nothing\n", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"]) {
      writeFileSync(file, wrong);
      expect(() => databaseCa(["eu-central-1"], file)).toThrow(/holds no PEM certificate/);
    }
  });

  test.each([
    ["/nowhere/rds.pem", "there is no such file"],
    ["/", "it is a directory"],
  ])("cannot be had from %s: one line says so in words", (file, reason) => {
    expect(() => databaseCa(["eu-central-1"], file)).toThrow(
      new RunError(`databaseCaFile ${file} cannot be read: ${reason}`),
    );
  });
});

describe("a cron schedule", () => {
  test.each([
    ...["* * * * *", "0 0 1 1 0", "59 23 31 12 6", "*/15 0-5,12 1,15 */2 1-5", "5/10 * * * *", "  0 3 * * *  "],
    ...["@daily", "0 3 * JAN-mar Mon,wed", "? ? ? ? ?"],
  ])("of the form %j is one", (schedule) => expect(isCron(schedule)).toBe(true));
  test.each([
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "-1 * * * *",
    "1-0 * * * *",
    "*/0 * * * *",
    "a * * * *",
    ", * * * *",
    "1,,2 * * * *",
    "0 0 0 1 *",
    "0 0 32 1 *",
    // The API server takes these words as they stand, without a space before or after them.
    " @daily",
    "@daily ",
    "@Daily",
    // No one could say when such a run is due (components/programs/cron.ts).
    "@every 90m",
    "0 0 * * fri-mon",
    "0 0 mon * *",
    "TZ=UTC 0 0 * * *",
  ])("of the form %j is none", (schedule) => expect(isCron(schedule)).toBe(false));
});

describe("a private block", () => {
  test.each(["10.0.0.0/16", "10.255.255.0/24", "172.16.0.0/16", "172.31.0.0/16", "192.168.254.0/23"])(
    "such as %s is one",
    (block) => expect(isPrivateBlock(block, 16, 24)).toBe(true),
  );
  test.each([
    ...["10.0.0.0/8", "10.0.0.0/28", "10.0.0.1/24", "10.0.1.0/20", "172.15.0.0/16", "172.32.0.0/16", "192.169.0.0/16"],
    ...["8.8.8.0/24", "10.0.0.0", "10.0.0/16", "10.0.0.256/24", "a.b.c.d/16", "10.0.0.0/16 ", "::/64"],
  ])("such as %s is none", (block) => expect(isPrivateBlock(block, 16, 24)).toBe(false));
});
