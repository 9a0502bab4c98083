/**
 * Which program of this machine stands for a container's image. There is no registry to pull from: the table of images, by
 * the last part of a repository's name, is given by whoever uses the local cloud, and an image that is not in it is refused.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Context } from "../handler";
import type { ServiceUser } from "../host/user";
import { findProgram, isUsual, reachable } from "../host/programs";
import type { Executable, Image, ImageHost, Images, Invocation } from "./image";

export async function executableFor(run: Invocation, context: Context): Promise<Executable> {
  const { images } = context.substitutes;
  const image = imageOf(run.image, images);
  if (image) return image.executable(run, context);
  const known = Object.keys(images).join(", ");
  throw new Error(
    `ErrImagePull: image "${run.image}": this machine has no program for "${repositoryOf(run.image)}" (it has: ${known})`,
  );
}

export const sameChoice = (image: string, earlier: string, images: Images): boolean =>
  imageOf(image, images)?.sameChoice?.(earlier) ?? true;

function imageOf(image: string, images: Images): Image | undefined {
  const name = repositoryOf(image);
  return Object.hasOwn(images, name) ? images[name] : undefined;
}

/** `ghcr.io/example/proxy:1.25.2@sha256:…` → `proxy`. */
export function repositoryOf(image: string): string {
  return (image.split("@")[0]?.split("/").at(-1) ?? "").replace(/:[^:]*$/, "");
}

/** An image whose entrypoint is a program that is installed here; `path` says where. */
export function installed(entrypoint: string, path: () => string): Image {
  return {
    executable({ command, args = [] }, host) {
      // Like the images, which start their program unless told otherwise, with or without its name in front of the arguments.
      const named = command ?? (basename(args[0] ?? "") === entrypoint ? [] : [entrypoint]);
      const [first = entrypoint, ...rest] = [...named, ...args];
      const own = basename(first) === entrypoint ? path() : undefined;
      const program = own ?? find(first);
      if (program === undefined) throw new Error(`exec: "${first}": executable file not found in $PATH`);
      const user = userOf(own ?? process.execPath, host);
      return { what: entrypoint, choice: entrypoint, command: program, args: rest, ownCommand: true, user };
    },
  };
}

/** The service user, where there is one and it may run the program. */
export const userOf = (program: string, { serviceUser }: Pick<ImageHost, "serviceUser">): ServiceUser | undefined =>
  serviceUser && reachable(program, serviceUser) ? serviceUser : undefined;

function find(name: string): string | undefined {
  if (!name.includes("/")) return findProgram(name);
  return existsSync(name) || !isUsual(name) ? name : findProgram(basename(name));
}
