/**
 * Sees to it that the packages are those of the lock file, before a command needs them: in the command's own process, since another one
 * of Node.js would take longer to start than to look. By content and not by age: a checkout or a pull makes the lock file younger, and an
 * installation that nothing needed would pull the packages from under whoever is using them.
 */
"use strict";
const { spawnSync } = require("node:child_process");
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

function fail(why) {
  process.stderr.write(`error: ${why}\n`);
  process.exit(1);
}

if (!complete()) {
  if (linked()) fail("node_modules is a link to packages that do not fit package-lock.json: run npm ci where it leads");
  process.stderr.write("installing the npm packages\n");
  // What npm says goes to stderr: stdout is the command's.
  const options = { cwd: root, stdio: ["inherit", 2, 2] };
  const { status, error } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], options);
  if (error) fail(`npm cannot be started (${error.code}): install it, then try again`);
  if (status !== 0) fail("npm ci failed, see above");
}
if (process.argv[2] === "packages") process.exit(0);
