/** A verification of the trail, or of one agent's chain, with its progress; it ends when it is cancelled or the page is left. */
import type { VerificationEvents } from "../answers";
import { listen, Locked } from "./api";
import { byId, element, say } from "./dom";
import { plural } from "./format";

let current: AbortController | undefined;
let onLocked: () => void;

export function beginVerification(locked: () => void): void {
  onLocked = locked;
  byId("verify").addEventListener("click", () => void run(undefined));
  byId("cancel").addEventListener("click", () => current?.abort());
  addEventListener("pagehide", () => current?.abort());
}

export function verifyAgent(agent: string): void {
  byId("verification").scrollIntoView({ block: "start" });
  byId("verification-title").focus();
  void run(agent);
}

async function run(agent: string | undefined): Promise<void> {
  current?.abort();
  const own = (current = new AbortController());
  const progress = byId<HTMLProgressElement>("progress");
  const what = agent === undefined ? "the whole trail" : agent === "" ? "receipts of no agent" : `agent ${agent}`;
  running(true);
  progress.removeAttribute("value");
  result("", `Verifying ${what}…`);
  say(byId("counted"), "");
  try {
    await listen(
      agent,
      {
        progress: ({ receipts, estimate }) => {
          if (estimate > receipts) progress.value = receipts / estimate;
          say(
            byId("counted"),
            `${plural(receipts, "receipt")} so far${estimate > receipts ? ` of about ${estimate.toLocaleString("en-US")}` : ""}`,
          );
        },
        report,
        failed: ({ message }) => result("bad", message),
      },
      own.signal,
    );
  } catch (error) {
    if (own.signal.aborted) result("", "Cancelled: nothing is known of what was not read.");
    else if (error instanceof Locked) onLocked();
    else result("bad", (error as Error).message);
  } finally {
    if (current === own) running(false);
  }
}

function running(is: boolean): void {
  byId("cancel").hidden = !is;
  byId("progress").hidden = !is;
  byId<HTMLButtonElement>("verify").disabled = is;
}

function result(level: "" | "good" | "warn" | "bad", text: string, ...more: HTMLElement[]): void {
  const place = byId("verified");
  place.className = level === "" ? "" : `verdict ${level}`;
  say(place, text);
  byId("findings").replaceChildren(...more);
}

function report(report: VerificationEvents["report"]): void {
  say(byId("counted"), report.standby ? "Read on the replica." : "Read on the primary.");
  if (report.ok) return result(report.unverified.length > 0 ? "warn" : "good", sentence(report.summary));
  const count = report.findings.length + report.more;
  const items = report.findings.map(({ kind, message }) =>
    element("li", {}, element("strong", {}, kind), ` ${message}`),
  );
  result(
    "bad",
    `${plural(count, "finding")}: the trail is not whole. ${sentence(report.summary)}`,
    element("ul", { class: "cards" }, ...items),
  );
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
