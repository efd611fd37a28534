'use strict';

// A server of bench/native as a child: the same questions as children/server.js, answered from outside.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { readFileSync, readdirSync } = require('node:fs');
const { ended, tracked } = require('./processes');

/** What is told to src/lib.rs. @typedef {NonNullable<import('./apps').App['native']>} Spec */

/**
 * @param {Spec} spec
 * @param {Buffer} body
 * @returns {Buffer}
 */
function specText({ kind = 'fixed', fields = {}, looksAt = {}, close = false, later = false }, body) {
  const lines = [`kind ${kind}`];
  if (close) lines.push('close');
  if (later) lines.push('later');
  for (const [name, value] of Object.entries(fields)) lines.push(`field ${name}: ${value}`);
  for (const [name, value] of Object.entries(looksAt)) lines.push(`looks-at ${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${lines.join('\n')}\nbody ${body.length}\n`, 'latin1'), body]);
}

/** Has the questions of Child. */
class NativeServer {
  /**
   * @param {string} command
   * @param {Spec} spec
   * @param {Buffer} body
   */
  constructor(command, spec, body) {
    this.process = tracked(spawn(command, [], { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.exited = once(this.process, 'exit');
    this.process.stdin.on('error', () => {}); // it died: seen as the exit
    this.process.stdin.write(specText(spec, body));
  }

  /** @param {string} question */
  async ask(question) {
    if (question !== 'start') return sampleOf(/** @type {number} */ (this.process.pid));
    const dead = this.exited.then(([code, signal]) => {
      throw new Error(`${this.process.spawnfile} died (${signal ?? code})`);
    });
    const [text] = await Promise.race([once(this.process.stdout.setEncoding('latin1'), 'data'), dead]);
    dead.catch(() => {});
    return Number(text);
  }

  /** Ends the child; resolves when it is gone. */
  async stop() {
    this.process.stdin.end();
    await ended(this.process, this.exited);
  }
}

/**
 * @param {number} pid of a process on Linux
 * @returns {import('./children/sample').Sample}
 */
function sampleOf(pid) {
  /** @param {string} task */
  const run = (task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]) / 1000;
  const tasks = readdirSync(`/proc/${pid}/task`);
  const cpu = tasks.reduce((sum, task) => sum + run(task), 0);
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return { cpu, mainCpu: run(String(pid)), rss: Number(resident?.[1]) * 1024, crossings: null };
}

module.exports = { NativeServer };
