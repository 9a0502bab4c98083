import type * as pulumi from "@pulumi/pulumi";
import type { Primary } from "./primary";

/** The server that receipts are written to: the primary, or the replica that was promoted. */
export type WritingServer = Omit<Primary, "monitoringRoleArn">;

/** Where clients find a server. */
export interface Endpoint {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
  /** Where its address can be. */
  blocks: readonly string[];
}

/** A server, as what watches it needs to know it. */
export interface WatchedServer {
  server: { identifier: pulumi.Output<string> };
  region: string;
  instanceClass: string;
  /**
   * As the stack calls it, whatever it has become since: what stays with the server is named by it. Default: by its
   * place.
   */
  name?: string | undefined;
}

export interface WatchedServers {
  /** From `Database.watched`. */
  primary: WatchedServer;
  /** Default: there is none. */
  replica?: WatchedServer | undefined;
  /** Where it was, and is made anew once a major upgrade is done. */
  removedReplica?: Required<Pick<WatchedServer, "name" | "region">> | undefined;
}
