/**
 * Says what is to be done before a command can run, in one word: nothing ("ok"), "install" the packages, or what the
 * launcher cannot help with ("old" Node.js, "linked" packages). By content and not by age: a
 * checkout or a pull makes the lock file younger, and an installation that nothing needed would pull the packages from
 * under whoever is using them.
 */
"use strict";
const { lstatSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const process = require("node:process");

const root = join(module.path, "..");

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** npm keeps in node_modules what it has installed there; packages for other platforms are not among it. */
function complete() {
  const wanted = packagesIn("package-lock.json") ?? {};
  const installed = packagesIn("node_modules/.package-lock.json");
  if (!installed) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      path === "" || installed[path]?.version === version || ((optional || devOptional) && !installed[path]),
  );
}

/** `npm ci` empties the directory behind a link, which is somebody else's. */
function linked() {
  return lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

const old = Number(process.versions.node.split(".")[0]) < 20;
process.stdout.write(old ? "old" : complete() ? "ok" : linked() ? "linked" : "install");
