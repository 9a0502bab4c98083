/**
 * What a person and the tests connect to: the stack's outputs, and behind the Secrets they name, the URLs as this
 * machine has them. Written for the owner's eyes only, never printed.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { urlOf } from "../cloud/aws/endpoint";
import { keyEnvironment, keysOf } from "../cloud/aws/iam/keys";
import { s3 } from "../cloud/aws/s3/service";
import type { Properties, Resource } from "../cloud/handler";
import { makeDirectory, writeWhole } from "../cloud/host/files";
import { configurationKey } from "../cloud/kubernetes/configuration";
import { token } from "../cloud/kubernetes/objects";
import { serviceAddresses } from "../cloud/kubernetes/registry";
import { translateServices } from "../cloud/kubernetes/translate";
import type { State } from "../cloud/engine/state";

interface SecretKey {
  namespace: string;
  name: string;
  key: string;
}

/** What the page, too, is made of. */
export interface ProgramOutputs extends Properties {
  controlPlaneUrl: string;
  adminToken: string;
  auditUrl: string;
  telemetryUrl: string;
  ownerUrl: string;
  monitorUrl: string;
  auditorUrl: string;
  verifierUrl: string;
  /** Undefined where there is no replica. */
  replicaUrl?: string;
  verifierReplicaUrl?: string;
  backupBucket: { name: string; region: string; owner: string };
  backupBucketUrl: string;
  /** Environment in which AWS' SDKs and command line reach the bucket as the account's owner. */
  backupBucketAccess: Record<string, string>;
}

export interface LocalOutputs extends ProgramOutputs {
  /** With its token. */
  pageUrl: string;
}

export function resolveOutputs(outputs: Properties, state: State, directory: string): ProgramOutputs {
  const resources = (type: string) => state.entries.filter((e) => e.type === type && e.phase === "live");
  const services = serviceAddresses({ resources });
  const localize = (address: string, namespace: string) => {
    const url = translateServices(address, { namespace, services });
    return url.replace(/(?<=[?&]sslrootcert=)[^&]+/g, (path) =>
      encodeURIComponent(mountedFile(decodeURIComponent(path), namespace, resources, directory)),
    );
  };
  const secret = ({ namespace, name, key }: SecretKey) =>
    localize(text(configurationKey({ resources }, { kind: "Secret", namespace, name, key })), namespace);
  const connections = (outputs["connectionSecrets"] ?? {}) as Record<string, SecretKey>;
  const urls = Object.entries(connections).map(([name, where]) => [`${name}Url`, secret(where)]);
  const controlPlane = outputs["controlPlane"] as { url: string };
  return {
    ...outputs,
    controlPlaneUrl: localize(controlPlane.url, outputs["namespace"] as string),
    adminToken: secret(outputs["adminTokenSecret"] as SecretKey),
    ...Object.fromEntries(urls),
    ...bucketOutputs(outputs["backupBucket"] as LocalOutputs["backupBucket"], state.root),
  } as ProgramOutputs;
}

function bucketOutputs({ name, region }: { name: string; region: string }, root: string) {
  const endpoint = urlOf(s3, root) ?? "";
  return {
    backupBucketUrl: `${endpoint}/${name}`,
    backupBucketAccess: { [s3.variable]: endpoint, AWS_REGION: region, ...keyEnvironment(keysOf(root)) },
  };
}

export function writeOutputs(outputs: Properties, file: string): void {
  writeWhole(file, `${JSON.stringify(outputs, null, 2)}\n`);
}

export function readOutputs(file: string): LocalOutputs {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as LocalOutputs;
  } catch {
    throw new Error(`${file} is not there: the first \`make local\` did not finish; run it again`);
  }
}

const text = (value: Buffer | undefined) => value?.toString("utf8") ?? "";

type Lookup = (type: string) => Resource[];

interface PodSpec {
  containers: { volumeMounts?: { name: string; mountPath: string; subPath?: string }[] }[];
  volumes?: { name: string; secret?: { secretName?: string }; configMap?: { name?: string } }[];
}

/** The content of a file as pods have it mounted, as a file outside them. */
function mountedFile(path: string, namespace: string, resources: Lookup, directory: string): string {
  for (const spec of podSpecs(namespace, resources)) {
    const mounts = spec.containers.flatMap((container) => container.volumeMounts ?? []);
    const mount = mounts.find(({ mountPath }) => path.startsWith(`${mountPath.replace(/\/+$/, "")}/`));
    const volume = spec.volumes?.find(({ name }) => name === mount?.name);
    const name = volume?.secret?.secretName ?? volume?.configMap?.name;
    if (!mount || name === undefined) continue;
    const kind = volume?.secret ? "Secret" : "ConfigMap";
    const key = path.slice(mount.mountPath.replace(/\/+$/, "").length + 1);
    return outside(text(configurationKey({ resources }, { kind, namespace, name, key })), key, directory);
  }
  throw new Error(`no pod in ${namespace} has a Secret or ConfigMap mounted that holds ${path}`);
}

function podSpecs(namespace: string, resources: Lookup): PodSpec[] {
  const templated = [token.deployment, token.job].flatMap(resources);
  return templated
    .filter(({ outputs }) => (outputs["metadata"] as { namespace?: string }).namespace === namespace)
    .map(({ inputs }) => (inputs["spec"] as { template: { spec: PodSpec } }).template.spec);
}

/** Named by its content: URLs that were handed out stay true until the certificate itself changes. */
function outside(content: string, name: string, directory: string): string {
  const certificates = join(directory, "certificates");
  makeDirectory(certificates);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const file = join(certificates, `${name.replace(/\.pem$/, "")}-${hash}.pem`);
  writeWhole(file, content);
  return file;
}
