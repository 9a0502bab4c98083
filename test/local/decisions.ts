/** Asks for decisions as an agent does, over one connection that it keeps. */
import { randomUUID } from "node:crypto";
import { type Agent, request } from "node:http";
import type { LocalOutputs } from "../../local/outputs";

/** Asks for a decision; what went wrong, or undefined. */
export function ask(
  agent: Agent,
  { controlPlaneUrl, adminToken }: LocalOutputs,
  id: string,
): Promise<string | undefined> {
  const envelope = {
    id: randomUUID(),
    action: { type: "http.request", resource: "https://example.com/" },
    principal: { type: "agent", id },
    context: {},
  };
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
    const sent = request(`${controlPlaneUrl}/evaluate`, { method: "POST", agent, headers }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode === 200 ? undefined : `${response.statusCode}`));
      response.once("error", (error) => resolve(error.message));
    });
    sent.once("error", (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`));
    sent.end(JSON.stringify(envelope));
  });
}
