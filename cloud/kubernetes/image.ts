import type { ServiceUser } from "../host/user";

/** How a container's process is started here. */
export interface Executable {
  /** For messages and for whoever asks what runs: "node". */
  what: string;
  /** Same choice, same text: the next run compares it with what it would choose. */
  choice: string;
  command: string;
  args: string[];
  /** Whether command and args came from the container, with its paths, or are this machine's own. */
  ownCommand: boolean;
  user: ServiceUser | undefined;
  /** Variables in place of the container's. */
  env?: Record<string, string>;
  /** Makes a configuration file suit the version of the program that is installed here, where that is another than the image's. */
  suit?: (text: string) => string;
  /** Set where a Docker engine runs the image: paths inside stay as they are. */
  docker?: { image: string };
  /** A shell line: its own processes are not told of signals by their shell, so all of them are sent them. */
  wholeGroup?: boolean;
  cwd?: string;
  home?: string;
}

export interface Invocation {
  image: string;
  command: readonly string[] | undefined;
  args: readonly string[] | undefined;
}

/** What an image may ask of the machine that its container is started on. */
export interface ImageHost {
  /** The container's own directory: for what has to be made before it starts. */
  directory: string;
  /** Who runs it where this process is root. */
  serviceUser: ServiceUser | undefined;
  /** Progress for the person who waits, one line. */
  log(line: string): void;
}

/** What stands for an image. */
export interface Image {
  executable(run: Invocation, host: ImageHost): Promise<Executable> | Executable;
  /** Whether an earlier choice would be made again; it always is unless this says otherwise. */
  sameChoice?(earlier: string): boolean;
}

export type Images = Readonly<Record<string, Image>>;
