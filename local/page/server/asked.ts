/** What one asks of the page, what it answers from, and how it refuses. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Gate } from "./guard";

export interface File {
  type: string;
  content: () => string | Buffer;
  /** Shown to everybody: what asks for the token. */
  open: boolean;
}

export interface Page {
  gate: Gate;
  /** By path, "/" among them: nothing else is ever read. */
  files: ReadonlyMap<string, File>;
  cloudWatch: { endpoint: string; region: string };
  dashboard: string;
}

export interface Asked {
  page: Page;
  url: URL;
  request: IncomingMessage;
  response: ServerResponse;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
}

/** Answers by itself, or returns what is sent as JSON. */
export type Route = (asked: Asked) => Promise<unknown>;

/** What is asked for wrongly, or is not there. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
