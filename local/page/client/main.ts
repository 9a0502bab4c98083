/** Where the page begins: the token once, then what the address asks to see. */
import { bringToken, Locked } from "./api";
import { byId } from "./dom";
import { watch } from "./now";
import { beginTrail, search, showReceipt } from "./trail";
import { beginVerification } from "./verify";

const lock = () => {
  for (const id of ["now", "trail"]) byId(id).hidden = true;
  byId("locked").hidden = false;
};

/** "#trail?q=refund": a view and what it is asked for. */
function address(): { view: string; asked: URLSearchParams } {
  const [view = "", query = ""] = location.hash.slice(1).split("?");
  return { view, asked: new URLSearchParams(query) };
}

function show(): void {
  const { view, asked } = address();
  const trail = view === "trail" || view === "receipt";
  byId("now").hidden = trail;
  byId("trail").hidden = !trail;
  for (const [id, here] of [
    ["to-now", !trail],
    ["to-trail", trail],
  ] as const)
    if (here) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  if (view === "receipt") void showReceipt(asked.get("id") ?? "");
  else if (view === "trail") void search(asked.get("q") ?? "");
}

async function begin(): Promise<void> {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (token !== undefined) {
    // Out of the address at once: it stays in no history.
    history.replaceState(null, "", location.pathname);
    try {
      await bringToken(decodeURIComponent(token));
    } catch (error) {
      if (error instanceof Locked) return lock();
    }
  }
  beginTrail(lock);
  beginVerification(lock);
  addEventListener("hashchange", show);
  watch(lock);
  show();
}

void begin();
