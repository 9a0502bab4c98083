/** Has the page run: the files that it serves, what its server is told, and its address with the token. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rootOf, startEndpoint, type StartOptions, urlOf } from "../../cloud/aws/endpoint";
import { cloudWatch } from "../../cloud/aws/cloudwatch/service";
import { makeDirectory, readIfThere, writeWhole } from "../../cloud/host/files";
import type { ProgramOutputs } from "../outputs";
import type { Configuration } from "./server/main";
import { page } from "./service";

export interface PageInputs extends Pick<StartOptions, "serviceUser" | "programs" | "signal"> {
  /** The directory of all resources' directories. */
  root: string;
  /** That it serves, by their path below "/". */
  files: ReadonlyMap<string, string>;
  outputs: ProgramOutputs;
}

/** Has it run as it is to be now; returns its address, with the token in the part that no server is sent. */
export async function startPage({ root, files, outputs, ...options }: PageInputs): Promise<string> {
  const { serviceUser } = options;
  const directory = rootOf(page, root);
  makeDirectory(directory, serviceUser);
  const write = (name: string, content: string) => writeWhole(join(directory, name), content, { owner: serviceUser });
  const token = readConfiguration(directory)?.token ?? randomBytes(24).toString("base64url");
  const { auditorUrl, replicaUrl, dashboard, regions } = outputs;
  const configuration: Configuration = {
    token,
    replica: replicaUrl !== undefined,
    cloudWatch: { endpoint: urlOf(cloudWatch, root) ?? "", region: (regions as { primary: string }).primary },
    dashboard: (dashboard as { name: string }).name,
  };
  const changed = [
    write("page.json", JSON.stringify(configuration)),
    write("auditor.url", withOwnCa(auditorUrl, write, directory)),
    ...(replicaUrl === undefined ? [] : [write("replica.url", withOwnCa(replicaUrl, write, directory))]),
    ...[...files].map(([path, content]) => {
      mkdirSync(dirname(join(directory, "files", path)), { recursive: true });
      return write(join("files", path), content);
    }),
  ];
  const address = await startEndpoint(page, root, { ...options, outdated: changed.includes(true) });
  return `${address}/#token=${token}`;
}

function readConfiguration(directory: string): Configuration | undefined {
  const content = readIfThere(join(directory, "page.json"));
  return content === undefined ? undefined : (JSON.parse(content) as Configuration);
}

/** The certificate of the database's authority, where the page's process may read it. */
function withOwnCa(url: string, write: (name: string, content: string) => boolean, directory: string): string {
  const parsed = new URL(url);
  const ca = parsed.searchParams.get("sslrootcert");
  if (ca === null) return url;
  write("ca.pem", readFileSync(ca, "utf8"));
  parsed.searchParams.set("sslrootcert", join(directory, "ca.pem"));
  return parsed.href;
}
