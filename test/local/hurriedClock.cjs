/** Preloaded into a process of Node.js: its clock is ahead, and since a moment runs several times as fast; it sleeps so much less. */
"use strict";
const process = require("node:process");
const timers = require("node:timers/promises");

const [start, speed, ahead = 0] = process.env.HURRIED_CLOCK.split(" ").map(Number);

const machines = Date;
globalThis.Date = class Date extends machines {
  constructor(...given) {
    super(...(given.length > 0 ? given : [Date.now()]));
  }
  static now() {
    return ahead + start + (machines.now() - start) * speed;
  }
};

const { performance } = globalThis;
const passed = performance.now.bind(performance);
performance.now = () => passed() * speed;

// Of global timers nothing waits but time-outs: those are as long as ever, for the machine is no faster.
const { setTimeout: sleep } = timers;
timers.setTimeout = (milliseconds, ...rest) => sleep(milliseconds / speed, ...rest);
