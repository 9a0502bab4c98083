/** One way to the database: a Secret with its URL, and what a pod needs to get there. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Credentials } from "../database/credentials";
import type { Endpoint } from "../database/servers";
import { databaseEgress } from "../pods/networkRules";
import { databaseCaName, type pgbouncerCaName, trustPath } from "../pods/trust";
import type { DatabaseConnection } from "../programs/databaseConnection";
import { databaseUrl } from "./databaseUrl";

/** What answers at its end. */
export interface Server extends Pick<DatabaseConnection, "egress" | "podLabels"> {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
  /** Which certificates to verify it by. */
  ca: typeof databaseCaName | typeof pgbouncerCaName;
}

/** A database server itself. */
export const directly = ({ host, port, blocks }: Endpoint): Server => ({
  ...{ host, port, ca: databaseCaName },
  egress: databaseEgress(blocks, port),
});

interface ConnectionArgs {
  metadata: { namespace: pulumi.Input<string> };
  to: Server;
  database: string;
  login: Credentials<string>;
}

export function connection(
  name: string,
  { metadata, to, database, login }: ConnectionArgs,
  parent: pulumi.Resource,
): DatabaseConnection {
  const caFile = `${trustPath}/${to.ca}`;
  const url = pulumi
    .all([to.host, to.port, login.password])
    .apply(([host, port, password]) => databaseUrl({ user: login.user, password, host, port, database, caFile }));
  const secret = new k8s.core.v1.Secret(
    name,
    { metadata, immutable: true, stringData: { url: pulumi.secret(url) } },
    { parent },
  );
  return { name: secret.metadata.name, key: "url", egress: to.egress, podLabels: to.podLabels };
}
