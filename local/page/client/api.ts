/** Questions to the page's server. */
import type { Refused, VerificationEvents } from "../answers";
import { eventsIn } from "./events";

/** The session is missing: the token is to be brought again. */
export class Locked extends Error {}

async function refusal(response: Response): Promise<Error> {
  if (response.status === 401) return new Locked();
  try {
    return new Error(((await response.json()) as Refused).error);
  } catch {
    return new Error(`the page's server answered ${response.status}`);
  }
}

async function fetched(path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Error("The page's server does not answer; `make status` says what runs.", { cause: error });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

type Parameters = Readonly<Record<string, string | undefined>>;

function pathOf(name: string, parameters: Parameters): string {
  const given = Object.entries(parameters).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, value]],
  );
  return `/api/${name}?${new URLSearchParams(given).toString()}`;
}

export async function ask<Answer>(name: string, parameters: Parameters = {}): Promise<Answer> {
  const response = await fetched(pathOf(name, parameters), { signal: AbortSignal.timeout(30_000) });
  return (await response.json()) as Answer;
}

export async function bringToken(token: string): Promise<void> {
  await fetched("/session", { method: "POST", body: token });
}

type Hear = { [Name in keyof VerificationEvents]: (data: VerificationEvents[Name]) => void };

/** Ends when the verification does, or when it is aborted: the server then ends it too. */
export async function listen(agent: string | undefined, hear: Hear, signal: AbortSignal): Promise<void> {
  const response = await fetched(pathOf("verification", { agent }), { signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const found = eventsIn(rest + part.value);
    rest = found.rest;
    for (const { name, data } of found.events) if (name in hear) hear[name as keyof Hear](JSON.parse(data) as never);
  }
}
