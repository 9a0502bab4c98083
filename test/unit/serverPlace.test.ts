/** Where the replica goes, looked up on the local cloud as `make local` does it. */
import { runtime } from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { Monitor } from "../../cloud/engine/monitor";
import { invokes } from "../../cloud/handlers";
import { lookUpCluster } from "../../components/network/clusterNetwork";
import { networkProblems } from "../../components/network/networkProblems";
import { lookUpReplicaPlace, type PlaceArgs } from "../../components/network/serverPlace";
import type { ServerPlace } from "../../components/network/serverPlace";

async function lookUp(given: Partial<PlaceArgs>) {
  const register = () => Promise.reject(new Error("a look-up makes nothing"));
  new Monitor({ project: "p", stack: "s", invokes, register }).install();
  const cluster = await lookUpCluster({ name: "laptop", region: "eu-central-1" });
  const place = await lookUpReplicaPlace("eu-west-1", { subnetIds: [], connected: false, ...given });
  await runtime.disconnect();
  return { place, problems: networkProblems(cluster, place) };
}

test("a replica is placed beside a cluster of its region, in a VPC that can be connected with the primary's", async () => {
  const { place, problems } = await lookUp({ eksClusterName: "laptop-west" });
  expect(problems).toEqual([]);
  const { existing } = place as Extract<ServerPlace, { existing: unknown }>;
  expect(existing.privateSubnets.map(({ zone }) => zone).sort()).toEqual(["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
});

test("a replica without a given place gets a VPC of 10.90.0.0/20 over two zones", async () => {
  const { place, problems } = await lookUp({});
  expect(problems).toEqual([]);
  expect(place).toEqual({ region: "eu-west-1", cidr: "10.90.0.0/20", zones: ["eu-west-1a", "eu-west-1b"] });
});
