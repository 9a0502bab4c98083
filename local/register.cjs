/**
 * Loads TypeScript as plain CommonJS, each file transpiled once and then kept in node_modules/.cache. A general loader
 * (tsx) costs every command of the local cloud two seconds of a small machine: module hooks in a thread of their own,
 * and source maps for the thousands of stack traces that Pulumi takes.
 */
"use strict";
const { createHash } = require("node:crypto");
const { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const modules = require("node:module");
const { dirname, join, sep } = require("node:path");
const process = require("node:process");

const packages = `${sep}node_modules${sep}`;
const cache = join(module.path, "..", "node_modules", ".cache", "authensor");
const debugging = Boolean(process.env.DEBUG);
const options = {
  loader: "ts",
  format: "cjs",
  target: `node${process.versions.node}`,
  sourcemap: debugging && "inline",
};
const version = JSON.stringify([require("esbuild/package.json").version, options]);

modules.enableCompileCache?.(); // Node.js 22 and later
process.setSourceMapsEnabled(debugging);

/**
 * What is loaded only when it is first looked at, half of all that there is: of Pulumi's SDK what turns JavaScript functions into resources
 * and what drives its command line; of the packages of AWS and Kubernetes the services, each a directory, of which a program uses a
 * dozen; of zod the languages in which it complains.
 */
const seldomBy = {
  "@pulumi/pulumi/": (request) =>
    ["typescript", "@npmcli/arborist", "normalize-package-data", "./automation"].includes(request),
  "@pulumi/aws/index.js": isService,
  "@pulumi/kubernetes/index.js": isService,
  "zod/v4/": (request) => request === "../locales/index.cjs",
};

function isService(request, from) {
  return /^\.\/\w+$/.test(request) && existsSync(join(dirname(from), request, "index.js"));
}

const seldom = Object.entries(seldomBy);

function isSeldom(request, from = "") {
  const place = from.slice(from.lastIndexOf(packages) + packages.length).replaceAll(sep, "/");
  return seldom.some(([by, test]) => place.startsWith(by) && test(request, from));
}

const load = modules._load;
modules._load = function (request, parent, isMain) {
  const now = () => load.call(this, request, parent, isMain);
  if (!isSeldom(request, parent?.filename)) return now();
  let loaded;
  const get = (_, key) => (key === "__esModule" ? true : (loaded ??= now())[key]);
  return new Proxy({}, { get });
};

modules._extensions[".ts"] = (module, filename) => {
  const source = readFileSync(filename, "utf8");
  const key = createHash("sha256").update([version, filename, source].join("\0")).digest("hex");
  module._compile(
    kept(`${key}.js`, () => transpile(source, filename)),
    filename,
  );
};

function transpile(source, filename) {
  return require("esbuild").transformSync(source, { ...options, sourcefile: filename }).code;
}

function kept(name, make) {
  const file = join(cache, name);
  try {
    return readFileSync(file, "utf8");
  } catch {
    const code = make();
    try {
      mkdirSync(cache, { recursive: true });
      writeFileSync(`${file}.${process.pid}`, code);
      renameSync(`${file}.${process.pid}`, file);
    } catch {
      // a checkout that cannot be written to only costs time
    }
    return code;
  }
}
