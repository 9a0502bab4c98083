/**
 * One sentence for each image that is named by its tag alone: whoever may push to the registry may put another build under the tag,
 * and a pod that starts on a fresh node runs it. A digest names the build itself.
 * @param images by the setting that names them
 */
export function unpinnedImages(images: Readonly<Record<string, string>>): string[] {
  return Object.entries(images)
    .filter(([, image]) => !image.includes("@sha256:"))
    .map(
      ([setting, image]) =>
        `${setting} ${image} is not pinned: its tag may come to mean another build. Find the digest of the build that you have ` +
        `checked (crane digest ${image}) and set ${setting} to ${image}@sha256:<digest>.`,
    );
}
