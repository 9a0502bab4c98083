/**
 * What stands behind one resource type on this machine: plain create, update and delete over inputs and outputs, as a
 * Pulumi provider has them. A handler knows nothing of who calls it, and nothing of the program whose resources it makes.
 */

import type { ServiceUser } from "./host/user";
import type { Images } from "./kubernetes/image";

export type Properties = Record<string, unknown>;

/** A resource that exists, as the state file remembers it. */
export interface Resource {
  urn: string;
  /** Pulumi type token, for example "aws:rds/instance:Instance". */
  type: string;
  /** The Pulumi name, for example "orders-primary". */
  name: string;
  /** The physical id, as the real service would give it. */
  id: string;
  inputs: Properties;
  outputs: Properties;
  /** URNs of the resources this one was made from or after; they are stopped and deleted after it. */
  dependencies: string[];
}

export interface Context {
  urn: string;
  type: string;
  name: string;
  /** `${name}-<7 hex digits>`, made once per physical resource: what Pulumi's autonaming would have chosen. */
  physicalName: string;
  /** This resource's own directory, created 0700 and owned by `serviceUser`; deleted with the resource. */
  directory: string;
  /** Who runs servers that refuse to run as root; undefined where this process is not root. */
  serviceUser: ServiceUser | undefined;
  /** A TCP port that was free when first asked for, remembered under this resource and key; moved when another took it. */
  port(key: string): Promise<number>;
  /** Every live resource of a type, for look-ups by ARN, id or name across resources. */
  resources(type: string): Resource[];
  /** What stands here for what only a cloud has. */
  substitutes: Substitutes;
  /** Progress for the person who waits, one line. */
  log(line: string): void;
  /** Aborted on Ctrl-C: waits must end when it does. */
  signal: AbortSignal;
}

/** Facts that the handlers know of no program's resources: given by whoever uses the local cloud. */
export interface Substitutes {
  /** What runs for a container, by the last part of its image's repository name. */
  images: Images;
  /** GiB of memory of a database server of this instance class; undefined where that is not known. */
  memoryGib(instanceClass: string): number | undefined;
}

/** Pulumi's own sign for a value that only a deployment knows (`runtime.unknownValue`). */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What a resource had stored is gone. Nothing but a deployment from nothing brings it back. */
export class Lost extends Error {}

export interface Created {
  id: string;
  outputs: Properties;
}

export interface Handler {
  /** Only remembered, by the engine itself: nobody is told that it changed. */
  bookkeeping?: boolean;
  /** Input properties whose change cannot be updated in place. */
  replaceOnChange?: readonly string[];
  /** Where both cannot exist at once (a fixed Kubernetes name): the old one is deleted before the new one is made. */
  deleteBeforeReplace?(inputs: Properties): boolean;
  /**
   * The outputs as far as a preview knows them; `unknownValue` stands for what it does not. Default: the inputs, and what an existing
   * one has computed.
   */
  planned?(inputs: Properties, current: Resource | undefined): Properties;
  /** Makes the real thing and returns once it is ready. Called again after an interruption: must cope with its own half-made remains. */
  create(inputs: Properties, context: Context): Promise<Created>;
  /** Changes the real thing in place; without it every change is a replacement. Returns the new outputs. */
  update?(current: Resource, inputs: Properties, context: Context): Promise<Properties>;
  /** Ends the real thing and what it stored. The directory is removed afterwards. */
  delete?(current: Resource, context: Context): Promise<void>;
  /**
   * Checks that an unchanged resource is still there and makes it real again where it died (killed, rebooted).
   * Returns what it did in a few words ("restarted"), or undefined where nothing was amiss. May return new outputs.
   */
  heal?(current: Resource, context: Context): Promise<{ did: string; outputs?: Properties } | undefined>;
  /** Ends processes and keeps data. */
  stop?(current: Resource, context: Context): Promise<void>;
  /** One line for a person: is it alive, where, how well. */
  status?(current: Resource, context: Context): Promise<{ healthy: boolean; text: string }>;
}

/**
 * A data source (`aws.eks.getCluster`, …) by its token, for example "aws:eks/getCluster:getCluster". It sees what
 * handlers see of the other resources.
 */
export type Invoke = (inputs: Properties, resources: Context["resources"]) => Promise<Properties>;
