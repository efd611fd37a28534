'use strict';

const { readFileSync } = require('node:fs');

const TICK = 10_000; // µs: Linux's USER_HZ is 100 for user space, whatever the kernel's is

/**
 * @typedef {object} Sample
 * @property {number} cpu µs, user and system, of all threads, since the process started
 * @property {number | null} mainCpu µs of the main thread alone; null where the platform does not tell
 * @property {number} rss bytes
 * @property {number | null} crossings Node-API calls, both ways, since the process started; null: this engine counts none
 */

/**
 * @param {string} engine
 * @returns {Sample}
 */
function sample(engine) {
  const { user, system } = process.cpuUsage();
  const crossings = engine === 'ferrohttp' ? engineCalls().crossings : null;
  return { cpu: user + system, mainCpu: mainThreadCpu(), rss: process.memoryUsage.rss(), crossings };
}

/** @returns {number | null} µs */
function mainThreadCpu() {
  if (process.threadCpuUsage !== undefined) {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  }
  if (process.platform !== 'linux') return null;
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1');
  // The second field, the program's name, may hold spaces and parentheses: count from its end. utime is the 14th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/**
 * What ferrohttp's engine has counted since the process started.
 * @returns {{ crossings: number, receives: number, sends: number }} Node-API calls, both ways; calls of recv and of send
 */
function engineCalls() {
  const [callsIn, callsOut, receives, sends] = require('../../lib/internal/ring').engine.stats();
  return { crossings: callsIn + callsOut, receives, sends };
}

module.exports = { engineCalls, sample };
