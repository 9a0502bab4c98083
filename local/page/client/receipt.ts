/** One receipt: what was decided, the proof that it is as it was sealed, and what happened to it since. */
import type { ReceiptNow } from "../answers";
import { element, table } from "./dom";
import { plural, time } from "./format";

type Outcome = boolean | undefined;

const mark = (holds: Outcome) =>
  element(
    "span",
    { class: `state ${holds ? "OK" : holds === undefined ? "INSUFFICIENT_DATA" : "ALARM"}` },
    holds ? "holds" : holds === undefined ? "not checked" : "BROKEN",
  );

const headings = { seal: "Seal", link: "Link", state: "History" } as const;

/** Columns in the order in which they answer: what, by whom, when. */
const facts: readonly [string, string][] = [
  ["decision_outcome", "Decision"],
  ["status", "Status"],
  ["tool_name", "Action"],
  ["actor_id", "Agent"],
  ["created_at", "Made"],
  ["sealed_at", "Sealed"],
  ["chain_seq", "Place in the agent's chain"],
  ["chain_seal", "Seal"],
  ["receipt_hash", "Authensor's hash"],
];

const documents = ["envelope", "decision", "approval", "execution", "result", "error"] as const;

/** @param verify begins the verification of an agent's chain */
export function receiptView(receipt: ReceiptNow, verify: (agent: string) => void): HTMLElement {
  const { columns, checks, changes, at } = receipt;
  const broken = checks.some(({ holds }) => holds === false) || changes.some(({ holds }) => holds === false);
  const agent = columns["actor_id"] ?? "";
  const button = element("button", { type: "button" }, "Verify all receipts of this agent");
  button.addEventListener("click", () => verify(agent));
  const shown = facts.flatMap(([column, title]) => [
    element("dt", {}, title),
    element("dd", {}, columns[column] ?? "–"),
  ]);
  const rest = Object.entries(columns).filter(
    ([name, value]) =>
      value !== null && !facts.some(([fact]) => fact === name) && !documents.some((one) => one === name),
  );
  return element(
    "article",
    {},
    element("h2", { tabindex: "-1" }, `Receipt ${columns["id"] ?? ""}`),
    element(
      "p",
      { class: `verdict ${broken ? "bad" : "good"}` },
      broken ? "This receipt is not as it was sealed." : "This receipt is as it was sealed.",
    ),
    element("p", { class: "quiet" }, `Checked at ${time(at)} UTC.`),
    element(
      "dl",
      { class: "checks" },
      ...checks.flatMap(({ of, holds, says }) => [
        element("dt", {}, headings[of], " ", mark(holds)),
        element("dd", {}, says),
      ]),
    ),
    button,
    element("h3", {}, "What was decided"),
    element("dl", { class: "facts" }, ...shown),
    ...documents.flatMap((name) => {
      const text = columns[name];
      return text === undefined || text === null
        ? []
        : [folded(name, element("pre", { tabindex: "0" }, text), name === "envelope")];
    }),
    folded(
      "Other columns",
      element(
        "dl",
        { class: "facts" },
        ...rest.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value ?? "")]),
      ),
    ),
    element("h3", {}, "History"),
    history(receipt),
  );
}

const folded = (title: string, content: HTMLElement, open = false) =>
  element("details", open ? { open: "" } : {}, element("summary", {}, title), content);

function history({ changes, more }: ReceiptNow): HTMLElement {
  if (changes.length === 0) return element("p", { class: "quiet" }, "Nothing changed since it was stored.");
  const rows = table(
    "Recorded changes",
    [
      { title: "Changed (UTC)", cell: ({ changed_at }) => time(changed_at) },
      {
        title: "By",
        cell: ({ changed_by, application }) => (application === "" ? changed_by : `${changed_by} (${application})`),
      },
      { title: "Before", cell: ({ before }) => element("pre", {}, before) },
      { title: "After", cell: ({ after }) => element("pre", {}, after) },
      { title: "Seal", cell: ({ holds }) => mark(holds) },
    ],
    changes,
  );
  return more === 0
    ? rows
    : element("div", {}, rows, element("p", {}, `${plural(more, "further change")} not listed.`));
}
