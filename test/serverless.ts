/** Programs that use pg without a server, guarded; and what they sent. */
import { expect } from "vitest";
import { lines, start } from "./guarded";

/**
 * pg's own pool over one connection that needs no server: it prints what it is sent, "name: text" for what is prepared, and answers each
 * statement with the error that `answers` has for it, whole, or with no rows.
 */
export const program = (script: string, answers = "() => undefined") => `
  import { EventEmitter } from "node:events";
  import pg from "pg";
  const answer = ${answers};
  const sent = [];
  class Connection extends EventEmitter {
    stream = { destroy: () => this.emit("end") };
    parsedStatements = {};
    submittedNamedStatements = {};
    connect() { setImmediate(() => this.emit("readyForQuery", {})); }
    parse({ name = "", text }) { this.texts = { ...this.texts, [name]: text }; }
    bind({ statement = "", values }) { this.#run(statement, this.texts[statement], values); }
    describe() {}
    execute() {}
    close() {}
    sync() {}
    query(text) { this.#run("", text); }
    ref() {}
    unref() {}
    end() { this.emit("end"); }
    #run(name, text, values = []) {
      sent.push([name, text, ...values].filter((part) => part !== ""));
      const number = sent.length;
      setTimeout(() => {
        const refused = answer(text, name, number);
        if (refused) this.emit("errorMessage", Object.assign(new Error(refused.message ?? "refused"), refused));
        else this.emit("parseComplete"), this.emit("commandComplete", { text: ({ insert: "INSERT 0 1", update: "UPDATE 1" })[text.slice(0, 6).toLowerCase()] ?? "SELECT 0" });
        this.emit("readyForQuery", {});
      }, 5);
    }
  }
  const pools = [];
  const open = (options) => { pools.push(new pg.Pool({ max: 1, connection: new Connection(), ...options })); return pools.at(-1); };
  const pool = open();
  await pool.query("select 1"); // the guard asks the same before it
  sent.length = 0;
  const asked = (promise) => promise.then(() => "done", (error) => error.message);
  ${script}
  console.log(JSON.stringify(sent));
  process.exit();`;

export async function sentBy(source: string, prepared = "3") {
  const { end, output } = start(source, { env: { PREPARED_STATEMENTS: prepared } });
  expect(await end, output.stderr).toBe(0);
  const [sent, ...before] = output.stdout.trim().split("\n").reverse();
  return { sent: JSON.parse(sent!) as unknown[][], told: lines(output.stderr), printed: before.reverse() };
}
