/** Volumes: ConfigMaps, Secrets and the rest as files under the pod's directory, for each container at its mount paths. */
import { dirname, join, normalize } from "node:path";
import type { ServiceUser } from "../host/user";
import { makeDirectory, writeWhole } from "../host/files";
import { configuration } from "./configuration";
import { fieldOf, type PodIdentity } from "./environment";
import type { Cluster } from "./objects";
import type { Container, PodSpec, Projection, Volume } from "./podSpec";
import { translateFile, type Translation } from "./translate";

export interface MountedFile {
  content: Buffer;
  mode: number;
}

/** Mount path → what is mounted there: files by relative path ("" for a single file), or a directory to write in. */
export type Mounts = Map<string, { files: Map<string, MountedFile> } | { volume: string }>;

/** Reads everything that a container mounts; what is not there fails as it does in a kubelet. */
export function readMounts(container: Container, spec: PodSpec, pod: PodIdentity, cluster: Cluster): Mounts {
  const mounts: Mounts = new Map();
  for (const mount of container.volumeMounts ?? []) {
    const volume = spec.volumes?.find((candidate) => candidate.name === mount.name);
    if (!volume) throw new Error(`volumeMounts: Not found: "${mount.name}"`);
    if (volume.emptyDir) {
      mounts.set(mount.mountPath, { volume: join(volume.name, mount.subPath ?? "") });
      continue;
    }
    const files = readVolume(volume, pod, cluster);
    mounts.set(mount.mountPath, {
      files: mount.subPath === undefined ? files : below(files, mount.subPath, container.name),
    });
  }
  return mounts;
}

function below(files: Map<string, MountedFile>, subPath: string, container: string): Map<string, MountedFile> {
  const file = files.get(subPath);
  if (file) return new Map([["", file]]);
  const inside = [...files].filter(([path]) => path.startsWith(`${subPath}/`));
  if (inside.length > 0) return new Map(inside.map(([path, found]) => [path.slice(subPath.length + 1), found]));
  // A kubelet would mount an empty directory here, which is never what was meant.
  throw new Error(
    `container ${container}: subPath ${subPath}: no such file in the volume, it has ${[...files.keys()].join(", ")}`,
  );
}

function readVolume(volume: Volume, pod: PodIdentity, cluster: Cluster): Map<string, MountedFile> {
  const secret = volume.secret && { ...volume.secret, name: volume.secret.secretName };
  const source = volume.projected ?? volume.configMap ?? volume.secret ?? volume.downwardAPI;
  const sources: Projection[] = volume.projected?.sources ?? [
    { configMap: volume.configMap, downwardAPI: volume.downwardAPI, secret },
  ];
  const mode = source?.defaultMode ?? 0o644;
  return new Map(sources.flatMap((one) => readSource(one, mode, volume.name, pod, cluster)));
}

function readSource(
  source: Projection,
  mode: number,
  volume: string,
  pod: PodIdentity,
  cluster: Cluster,
): [string, MountedFile][] {
  if (source.downwardAPI)
    return source.downwardAPI.items.map(({ path, fieldRef }) => [
      path,
      { content: Buffer.from(fieldOf(fieldRef.fieldPath, pod)), mode },
    ]);
  const kind = source.secret ? "Secret" : "ConfigMap";
  const object = source.secret ?? source.configMap;
  if (!object)
    throw new Error(`volume ${volume}: only configMap, secret and downwardAPI can be projected on this machine`);
  // The owner is the process itself here, where a kubelet has root own the file and a group or everyone read it; and a
  // secret is for that process alone, on a machine whose other users would be in other containers.
  const forOwner = (bits: number) => (bits | (bits << 3) | (bits << 6)) & 0o500;
  const closed = (bits: number) => (kind === "Secret" ? 0 : bits & 0o055) | forOwner(bits);
  const data = configuration(cluster, { kind, namespace: pod.namespace, name: object.name, optional: object.optional });
  if (!data) return [];
  if (!object.items) return [...data].map(([key, content]) => [key, { content, mode: closed(mode) }]);
  return object.items.flatMap((item): [string, MountedFile][] => {
    const content = data.get(item.key);
    if (content !== undefined) return [[normalize(item.path), { content, mode: closed(item.mode ?? mode) }]];
    if (object.optional) return [];
    throw new Error(
      `MountVolume.SetUp failed for volume "${volume}": references non-existent ${kind.toLowerCase()} key: ${item.key} of ${object.name}`,
    );
  });
}

/** Where each mount path lies on this machine. */
export function mountPaths(mounts: Mounts, root: string, volumes: string): Map<string, string> {
  return new Map(
    [...mounts].map(([path, mount]) => [path, "volume" in mount ? join(volumes, mount.volume) : join(root, path)]),
  );
}

/** The texts in which a service's address may stand. */
export function mountedTexts(mounts: Mounts): string[] {
  return [...mounts.values()].flatMap((mount) =>
    "files" in mount ? [...mount.files].filter(isSetting).map(([, file]) => file.content.toString()) : [],
  );
}

/** Writes the files as they shall be read on this machine; a writable volume is kept as it is. */
export function materialise(
  mounts: Mounts,
  paths: ReadonlyMap<string, string>,
  to: Translation,
  { owner, suit = (text) => text }: { owner?: ServiceUser | undefined; suit?: ((text: string) => string) | undefined },
): void {
  for (const [path, mount] of mounts) {
    const real = paths.get(path) ?? "";
    if ("volume" in mount) {
      makeDirectory(real, owner);
      continue;
    }
    if (!mount.files.has("")) makeDirectory(real, owner);
    for (const [name, file] of mount.files) {
      const target = join(real, name);
      const content = isSetting([name === "" ? path : name, file])
        ? suit(translateFile(file.content.toString(), to))
        : file.content;
      makeDirectory(dirname(target), owner);
      writeWhole(target, content, { mode: file.mode, owner });
    }
  }
}

// What is a program, a statement or a key says nothing of this machine, and must arrive as it was reviewed.
const verbatim = /\.([cm]?js|map|sql|pem|crt|key)$/;
const isSetting = ([name, file]: readonly [string, MountedFile]) =>
  !verbatim.test(name) && !file.content.includes(0) && !file.content.includes("-----BEGIN ");
