import { describe, expect, test } from "vitest";
import { Reboots, type RebootsArgs } from "../../components/programs/reboots";
import type { NetworkPolicy, PodTemplate } from "./kubernetesTypes";
import { record } from "./mocks";

const connection = (name: string, port: number) => ({
  ...{ name, key: "url" },
  egress: { ports: [{ protocol: "TCP", port }] },
});
const server = (region: string, name: string, more: Record<string, string> = {}) => ({
  arn: `arn:aws:rds:${region}:123456789012:db:${name}`,
  expectedSettings: { max_connections: "200", autovacuum_max_workers: "4", checkpoint_timeout: "900", ...more },
});
const args: RebootsArgs = {
  namespace: "ns",
  image: "node:22",
  bundle: "// reboot",
  trustSecret: "trust-1",
  region: "eu-central-1",
  eksClusterName: "platform",
  postgresVersion: "17",
  primary: { server: server("eu-central-1", "p"), connection: connection("owner-1", 5432) },
  replica: { server: server("us-east-1", "r"), connection: connection("owner-replica-1", 5433) },
};
const build = (changed: Partial<RebootsArgs> = {}) => record(() => new Reboots("r", { ...args, ...changed }));
const jobOf = async (changed: Partial<RebootsArgs> = {}) =>
  (await build(changed)).one("kubernetes:batch/v1:Job").inputs as unknown as {
    metadata: Record<string, unknown>;
    spec: Record<string, unknown> & { template: PodTemplate };
  };

describe("the reboots for parameters", () => {
  test("are a Job with its code, the values to have, a network policy and an identity", async () => {
    expect((await build()).census).toEqual([
      "authensor:programs:Reboots r",
      "aws:eks/podIdentityAssociation:PodIdentityAssociation r",
      "aws:iam/role:Role r",
      "aws:iam/rolePolicy:RolePolicy r",
      "kubernetes:batch/v1:Job r",
      "kubernetes:core/v1:ConfigMap r-code",
      "kubernetes:core/v1:ConfigMap r-parameters",
      "kubernetes:core/v1:ServiceAccount r",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy r",
    ]);
  });

  test.each<[string, Partial<RebootsArgs>, string[]]>([
    ["these two instances", {}, [server("eu-central-1", "p").arn, server("us-east-1", "r").arn]],
    ["the primary alone where there is no replica", { replica: undefined }, [server("eu-central-1", "p").arn]],
  ])("may look at and reboot %s, and do nothing else", async (_what, changed, resources) => {
    const { policy } = (await build(changed)).one("aws:iam/rolePolicy:RolePolicy").inputs as { policy: string };
    expect((JSON.parse(policy) as { Statement: unknown }).Statement).toEqual([
      { Effect: "Allow", Action: ["rds:DescribeDBInstances", "rds:RebootDBInstance"], Resource: resources },
    ]);
  });

  test("are made again when a value that a server takes at its start changes, and only then", async () => {
    const template = async (expected: Record<string, string>, postgresVersion = "17") => {
      const world = await build({
        postgresVersion,
        primary: { ...args.primary, server: server("eu-central-1", "p", expected) },
      });
      return (world.one("kubernetes:core/v1:ConfigMap", "r-parameters").inputs.data as Record<string, string>)[
        "parameters.json"
      ];
    };
    expect(JSON.parse((await template({}))!)).toEqual({
      primary: { max_connections: "200", autovacuum_max_workers: "4" },
      replica: { max_connections: "200", autovacuum_max_workers: "4" },
    });
    expect(await template({ checkpoint_timeout: "600" })).toBe(await template({}));
    expect(await template({ max_connections: "300" })).not.toBe(await template({}));
    // From 18 that one needs no start.
    expect(JSON.parse((await template({}, "18"))!)).toMatchObject({ primary: { max_connections: "200" } });
    expect(await template({}, "18")).not.toContain("autovacuum_max_workers");
  });

  test("are tried once, an eviction aside, end in an hour, and are run again after a failure", async () => {
    const { metadata, spec } = await jobOf();
    expect(metadata).toMatchObject({ annotations: { "pulumi.com/replaceUnready": "true" } });
    expect(spec).toMatchObject({
      backoffLimit: 0,
      activeDeadlineSeconds: 3600,
      podFailurePolicy: { rules: [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] }] },
    });
  });

  test("reach the two servers and AWS, by URLs in files", async () => {
    const { spec } = (await build()).one("kubernetes:networking.k8s.io/v1:NetworkPolicy")
      .inputs as unknown as NetworkPolicy;
    expect(spec.ingress).toEqual([]);
    const ports = spec.egress.map(({ ports }) => (ports as { port: number }[])[0]?.port);
    expect(ports).toEqual([53, 5432, 5433, 80, 443]);
    const [container] = (await jobOf()).spec.template.spec.containers;
    const env = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      DATABASE_URL_FILE: "/etc/authensor/database/url",
      REPLICA_URL_FILE: "/etc/authensor/replica/url",
      PRIMARY_ARN: server("eu-central-1", "p").arn,
      REPLICA_ARN: server("us-east-1", "r").arn,
      PARAMETERS_FILE: "/app/parameters/parameters.json",
    });
    expect(JSON.stringify(await jobOf({ replica: undefined }))).not.toMatch(/replica_/i);
  });
});
