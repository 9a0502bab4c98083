/** Groups of the settings that name an image: `opsImage` is the image of `ops`. */
const groups = ["pgbouncer", "controlPlane", "ops"] as const;

/**
 * One sentence for each image that is named by its tag alone: whoever may push to the registry may put another build under the tag,
 * and a pod that starts on a fresh node runs it. A digest names the build itself.
 */
export function unpinnedImages(settings: Readonly<Record<(typeof groups)[number], { image: string }>>): string[] {
  return groups
    .map((group) => [`${group}Image`, settings[group].image] as const)
    .filter(([, image]) => !image.includes("@sha256:"))
    .map(
      ([key, image]) =>
        `${key} ${image} is not pinned: its tag can be moved to another build. Find the digest of the build that you have ` +
        `checked (crane digest ${image}) and set ${key} to ${image}@sha256:<digest>.`,
    );
}
