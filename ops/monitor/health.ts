/** Which parts of the deployment are well, since when, and why not. */
import type { Finding, Part } from "./source";

export interface PartHealth {
  state: "ok" | "failing" | "unknown";
  /** Since when it is in this state. */
  since: string;
  reason?: string;
}

export class Health {
  private readonly parts = new Map<Part, PartHealth>();

  constructor(
    expected: readonly Part[],
    private readonly now: () => Date = () => new Date(),
  ) {
    for (const part of expected) this.parts.set(part, { state: "unknown", since: this.now().toISOString() });
  }

  note(findings: readonly Finding[]): void {
    for (const { part, reason } of findings) {
      const state = reason === undefined ? "ok" : "failing";
      const before = this.parts.get(part);
      if (before === undefined) continue;
      const since = before.state === state ? before.since : this.now().toISOString();
      this.parts.set(part, { state, since, ...(reason !== undefined && { reason }) });
    }
  }

  get ready(): boolean {
    return [...this.parts.values()].every(({ state }) => state === "ok");
  }

  report(): { status: "ready" | "not ready"; parts: Partial<Record<Part, PartHealth>> } {
    return { status: this.ready ? "ready" : "not ready", parts: Object.fromEntries(this.parts) };
  }
}
