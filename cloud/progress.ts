/** What a person sees while things come up: a line per finished step, and on a terminal what is still going on. */

export interface Progress {
  /** A step that takes time has begun; the returned function ends it, with the line to print or with none. */
  begin(what: string): (line?: string) => void;
  line(text: string): void;
}

export const silent: Progress = { begin: () => () => undefined, line: () => undefined };

/** Prints to a stream: plain lines, and on a terminal one moving line at the bottom. */
export function printer(stream: NodeJS.WriteStream = process.stdout): Progress & { end(): void } {
  const began = Date.now();
  const running = new Map<symbol, { what: string; since: number }>();
  const moving = stream.isTTY;
  const seconds = (since: number) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

  const clear = () => moving && stream.write("\r\x1b[K");
  const draw = () => {
    if (!moving || running.size === 0) return;
    const steps = [...running.values()].map(({ what, since }) => `${what} (${seconds(since)})`).join(", ");
    clear();
    stream.write(`… ${steps}`.slice(0, (stream.columns || 80) - 1));
  };
  const timer = moving ? setInterval(draw, 200).unref() : undefined;

  const line = (text: string) => {
    clear();
    stream.write(`${seconds(began).padStart(7)}  ${text}\n`);
    draw();
  };
  return {
    line,
    begin(what) {
      const key = Symbol();
      const since = Date.now();
      running.set(key, { what, since });
      draw();
      return (text) => {
        running.delete(key);
        clear();
        if (text === undefined) draw();
        else line(Date.now() - since < 100 ? text : `${text}  ${seconds(since)}`);
      };
    },
    end() {
      clearInterval(timer);
      running.clear();
      clear();
    },
  };
}
