/** Regions that answer nothing any more: one has had them lost, to see what goes on without them. */
import { join } from "node:path";
import { readIfThere, writeWhole } from "./host/files";

const fileIn = (root: string): string => join(root, "lost-regions.json");

const lostRegions = (root: string): string[] => JSON.parse(readIfThere(fileIn(root)) ?? "[]") as string[];

export const lose = (root: string, region: string): boolean =>
  writeWhole(fileIn(root), JSON.stringify([...new Set([...lostRegions(root), region])]));

/** Its endpoints answer again. What ran there does not run by itself: on AWS it does, and is nobody's. */
export function giveBack(root: string, region: string): boolean {
  const lost = lostRegions(root);
  return lost.includes(region) && writeWhole(fileIn(root), JSON.stringify(lost.filter((other) => other !== region)));
}

/** @throws for a region that is lost, as whoever calls one of its endpoints would hear it */
export function reach(root: string, region: string | undefined): void {
  if (region !== undefined && lostRegions(root).includes(region))
    throw new Error(`Could not connect to any endpoint of ${region}: the region is lost`);
}

/** Where a resource or a look-up is: as it says itself, or with the cluster whose tokens its provider asks for. IAM is in no region. */
export function regionOf(values: Record<string, unknown>, provider: Record<string, unknown> | undefined) {
  if (typeof values["region"] === "string") return values["region"];
  const kubeconfig = provider?.["kubeconfig"];
  return typeof kubeconfig === "string" ? /"--region","([a-z0-9-]+)"/.exec(kubeconfig)?.[1] : undefined;
}
