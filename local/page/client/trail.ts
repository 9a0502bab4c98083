/** The trail: a search, one receipt with its proof, and a verification of the whole. */
import type { ReceiptNow, Searched } from "../answers";
import { ask, Locked } from "./api";
import { byId, element, say, table } from "./dom";
import { plural, time } from "./format";
import { receiptView } from "./receipt";
import { verifyAgent } from "./verify";

let onLocked: () => void;

export function beginTrail(locked: () => void): void {
  onLocked = locked;
  const form = byId<HTMLFormElement>("search");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = byId<HTMLInputElement>("query").value.trim();
    location.hash = query === "" ? "#trail" : `#trail?${new URLSearchParams({ q: query }).toString()}`;
    void search(query);
  });
}

async function told<Answer>(status: HTMLElement, question: Promise<Answer>): Promise<Answer | undefined> {
  say(status, "Looking…");
  try {
    return await question;
  } catch (error) {
    if (error instanceof Locked) onLocked();
    else say(status, (error as Error).message);
    return undefined;
  }
}

export async function search(query: string): Promise<void> {
  byId<HTMLInputElement>("query").value = query;
  byId("receipt").hidden = true;
  byId("found").hidden = false;
  const status = byId("search-status");
  const since = byId<HTMLSelectElement>("since").value;
  const answer = await told(status, ask<Searched>("search", { q: query, since }));
  if (!answer) return;
  const { rows, by, more } = answer;
  const count = plural(rows.length, "receipt");
  const found = { id: "with this id", time: "the newest", words: "the best matches first" }[by];
  say(
    status,
    rows.length === 0
      ? `No receipt since ${time(answer.since)} UTC matches. Fewer words or a longer time find more.`
      : `${count}, ${found}${more ? "; more words narrow it down" : ""}.`,
  );
  const link = (id: string, text: string) => element("a", { href: `#receipt?id=${encodeURIComponent(id)}` }, text);
  const results = table(
    "Receipts found",
    [
      { title: "Time (UTC)", cell: ({ id, created_at }) => link(id, time(created_at)) },
      { title: "Agent", cell: ({ actor_id }) => actor_id ?? "–" },
      { title: "Action", cell: ({ tool_name }) => tool_name ?? "–" },
      { title: "Decision", cell: ({ decision_outcome }) => decision_outcome },
      { title: "Status", cell: ({ status: state }) => state },
      { title: "Found", cell: ({ snippet, resource }) => snippet ?? resource ?? "–" },
    ],
    rows,
  );
  byId("results").replaceChildren(...(rows.length === 0 ? [] : [results]));
}

export async function showReceipt(id: string): Promise<void> {
  byId("found").hidden = true;
  const place = byId("receipt");
  place.hidden = false;
  place.replaceChildren();
  const status = byId("receipt-status");
  const receipt = await told(status, ask<ReceiptNow>("receipt", { id }));
  if (!receipt) return;
  say(status, "");
  const view = receiptView(receipt, verifyAgent);
  place.replaceChildren(view);
  view.querySelector("h2")?.focus();
}
