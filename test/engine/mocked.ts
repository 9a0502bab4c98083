/** Every handler with what it would compute, and nothing behind it: for what the engine plans, not for what then runs. */
import { handlerOf } from "../../cloud/handlers";
import type { Handler, Invoke } from "../../cloud/handler";
import { computedOutputs, lookups } from "../unit/mockOutputs";

function handlerOfMock(type: string): Handler | undefined {
  const real = handlerOf(type);
  // What the engine itself remembers is remembered by the real one.
  if (!real || real.bookkeeping) return real;
  const computed: Handler["create"] = (inputs, context) => {
    const { id, ...outputs } = computedOutputs(type, context.physicalName, inputs, (other) => context.resources(other));
    return Promise.resolve({ id: String(id), outputs: { ...inputs, ...outputs } });
  };
  const mocked: Handler = { ...real, create: computed };
  if (real.update) mocked.update = async (_, inputs, context) => (await computed(inputs, context)).outputs;
  for (const step of ["delete", "heal", "stop", "status"] as const) delete mocked[step];
  return mocked;
}

export const mocked = {
  handlerOf: handlerOfMock,
  invokes: Object.fromEntries(
    Object.entries(lookups).map(([token, answer]): [string, Invoke] => [
      token,
      (inputs, resources) => Promise.resolve(answer(inputs, resources)),
    ]),
  ),
};
