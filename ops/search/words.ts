/** A query as in a web search, over plain text: words that all must be there, "a phrase", this or that, -not. */
import { Failure } from "../program";

interface Term {
  text: string;
  wanted: boolean;
}

/** Whether a text, in lower case, has what is asked for. */
export type Matcher = (text: string) => boolean;

export function matcherOf(query: string): Matcher {
  const alternatives: Term[][] = [[]];
  let orBefore = false;
  for (const [, minus, phrase, word = ""] of query.toLowerCase().matchAll(/(-?)(?:"([^"]*)"|([^\s"]+))/g)) {
    if (phrase === undefined && minus === "" && word === "or") {
      orBefore = true;
      continue;
    }
    const text = (phrase ?? word).trim();
    if (text === "") continue;
    if (orBefore) alternatives.push([]);
    orBefore = false;
    alternatives.at(-1)!.push({ text, wanted: minus === "" });
  }
  if (!alternatives.some((terms) => terms.some(({ wanted }) => wanted)))
    throw new Failure(`"${query}" has no word to search for`, [], 2);
  return (text) => alternatives.some((terms) => terms.every(({ text: of, wanted }) => text.includes(of) === wanted));
}
