/** What the program makes of each stack as it is configured: made once for all tests of a worker, which only read it. */
import program from "../..";
import { record, type World } from "./mocks";
import { configOf, type Stack } from "./stacks";

const made = new Map<Stack, Promise<World<unknown>>>();

export function worldOf(stack: Stack): Promise<World<unknown>> {
  const world = made.get(stack) ?? record<unknown>(program, { stack, config: configOf(stack) });
  made.set(stack, world);
  return world;
}
