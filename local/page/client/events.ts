/** Server-sent events out of a stream of text. */
export interface ServerEvent {
  name: string;
  data: string;
}

/** The whole events in a text, and what is left of it for the next. */
export function eventsIn(text: string): { events: ServerEvent[]; rest: string } {
  const blocks = text.split("\n\n");
  const rest = blocks.pop() ?? "";
  const field = (block: string, name: string) =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? "";
  return { events: blocks.map((block) => ({ name: field(block, "event"), data: field(block, "data") })), rest };
}
