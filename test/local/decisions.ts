/** Asks for decisions as agents do, each over one connection that it keeps. */
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
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

export interface Load {
  /** Requests sent so far. */
  sent: () => number;
  /** What went wrong with any of them. */
  end: () => Promise<string[]>;
}

/** What an agent does before it asks again. Without it, sixteen take the machine from what is being rolled. */
export const thinkingMs = 100;

/** Sixteen agents that ask one thing after the other, all under one id. */
export function load(outputs: LocalOutputs, id: string): Load {
  const failed: string[] = [];
  let sent = 0;
  let asking = true;
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (asking) {
      sent++;
      const failure = await ask(agent, outputs, id);
      if (failure !== undefined) failed.push(failure);
      await sleep(thinkingMs);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 16 }, client);
  return {
    sent: () => sent,
    async end() {
      asking = false;
      await Promise.all(clients);
      return failed;
    },
  };
}
