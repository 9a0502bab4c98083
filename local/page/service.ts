/** The page as a process of the local deployment. */
import { join } from "node:path";
import { isRunning, stopEndpoint, urlOf, type Service } from "../../cloud/aws/endpoint";

export const page: Service = { name: "the page", directory: "page", main: join(__dirname, "server/main.ts") };

export const stopPage = (root: string) => stopEndpoint(page, root);

/** Undefined where it has never been started. */
export function pageStatus(root: string): { healthy: boolean; text: string } | undefined {
  const url = urlOf(page, root);
  if (url === undefined) return undefined;
  return isRunning(page, root) ? { healthy: true, text: url } : { healthy: false, text: "stopped" };
}
