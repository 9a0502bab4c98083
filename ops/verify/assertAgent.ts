/** What --agent names: an agent, with all its lanes. */
import { Failure } from "../program";
import { actorOf } from "./chainName";

/** Refuses a lane's name, as reports have it: no agent has it, so nothing of it would be found wrong or missing. */
export function assertAgent(agent: string | undefined): void {
  if (agent === undefined || agent === actorOf(agent)) return;
  const [lane, whole] = [agent, actorOf(agent)].map((name) => JSON.stringify(name));
  throw new Failure(`${lane} is the name of a lane: --agent ${whole} takes all lanes of its agent`, [], 2);
}
