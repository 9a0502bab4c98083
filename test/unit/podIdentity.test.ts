import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { podIdentity, untilInForce } from "../../components/aws/podIdentity";
import { record } from "./mocks";

/** Of the waits for an association, which are not waited here; Pulumi has timers of its own. */
let waited = 0;
beforeEach(() => {
  waited = 0;
  const real = globalThis.setTimeout;
  vi.spyOn(globalThis, "setTimeout").mockImplementation((run: () => void, milliseconds?: number, ...args: []) => {
    if (milliseconds !== 20_000) return real(run, milliseconds, ...args);
    waited++;
    return real(run, 0, ...args);
  });
});
afterEach(() => void vi.restoreAllMocks());

class Pods extends pulumi.ComponentResource {
  constructor(permissionsBoundaryArn?: string) {
    super("test:index:Pods", "p");
    const place = { region: "eu-central-1", eksClusterName: "platform", namespace: "ns", serviceAccount: "reboot" };
    const role = { description: "it reboots", statements: [], permissionsBoundaryArn };
    const { inForce } = podIdentity("p", { ...place, ...role }, this);
    new aws.sns.Topic("pod", {}, { parent: this, dependsOn: inForce });
    this.registerOutputs({});
  }
}

/** With the role as the cloud would have made it then. */
const make = (createDate: string, preview = false) =>
  record(() => new Pods(), { preview, computed: { "aws:iam/role:Role": () => ({ createDate }) } });

describe("an identity", () => {
  test("that was just made is given to a pod only once its association is in force", async () => {
    const world = await make(new Date().toISOString());
    const association = world.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").urn;
    expect(world.one("aws:sns/topic:Topic").dependencies).toContain(association);
    expect(waited).toBe(1);
  });

  test("of an earlier run is given at once", async () => {
    await make("2026-01-01T00:00:00Z");
    expect(waited).toBe(0);
  });

  test("is waited for by no preview, whether it is to be made or was made a minute ago", async () => {
    await make(new Date().toISOString(), true);
    expect(waited).toBe(0);
    const preview = vi.spyOn(pulumi.runtime, "isDryRun").mockReturnValue(true);
    await make(new Date().toISOString());
    preview.mockRestore();
    expect(waited).toBe(0);
  });

  test("of another cluster is one with a new role: its age is what says that the association is new", async () => {
    const world = await make("2026-01-01T00:00:00Z");
    const { replaceOnChanges, inputs } = world.one("aws:iam/role:Role");
    expect(replaceOnChanges).toEqual(["assumeRolePolicy"]);
    expect(inputs["assumeRolePolicy"]).toContain('"aws:RequestTag/eks-cluster-name":"platform"');
  });

  test("has a role that is bounded where a boundary is named", async () => {
    const boundary = "arn:aws:iam::123456789012:policy/boundary";
    const role = async (arn?: string) => (await record(() => new Pods(arn))).one("aws:iam/role:Role").inputs;
    expect(await role(boundary)).toMatchObject({ permissionsBoundary: boundary });
    expect(await role()).not.toHaveProperty("permissionsBoundary");
  });

  const now = Date.parse("2026-11-28T12:00:00Z");
  test.each([
    ["just now", "2026-11-28T12:00:00Z", 20_000],
    ["a minute ahead of this clock", "2026-11-28T12:01:00Z", 20_000],
    ["nine minutes ago", "2026-11-28T11:51:00Z", 20_000],
    ["eleven minutes ago", "2026-11-28T11:49:00Z", 0],
    ["nobody knows when", undefined, 0],
  ])("whose role was made %s is in force after so long", (_when, created, wanted) => {
    expect(untilInForce(created, now)).toBe(wanted);
  });
});
