/** Walks resources so that each comes after everything that was made from it. */
import type { Resource } from "../handler";

/** Runs `work` on each, at the same time where nothing depends on one another. The first failure is thrown at the end. */
export async function inReverse<R extends Resource>(all: readonly R[], work: (r: R) => Promise<void>): Promise<void> {
  const begun = new Map<R, Promise<void>>();
  const failed = new Set<R>();
  let failure: unknown;
  const visit = (resource: R, path: readonly R[]): Promise<void> => {
    const known = begun.get(resource);
    if (known) return known;
    const dependents = all.filter(
      (other) => other !== resource && other.dependencies.includes(resource.urn) && !path.includes(other),
    );
    const done = Promise.all(dependents.map((d) => visit(d, [...path, resource]))).then(async () => {
      // What something that is still there was made from must stay.
      if (dependents.some((d) => failed.has(d))) return void failed.add(resource);
      try {
        await work(resource);
      } catch (error) {
        failed.add(resource);
        failure ??= error;
      }
    });
    begun.set(resource, done);
    return done;
  };
  await Promise.all(all.map((resource) => visit(resource, [])));
  if (failed.size > 0) throw failure;
}
