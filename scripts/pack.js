'use strict';

// npm run pack: the package's tarball. `npm run pack -- --destination <folder>` puts it there. Its path is printed, alone on stdout.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ensureInstalled } = require('./prepare');
const { ROOT, main, must } = require('./process');
const { stage } = require('./stage');

async function pack() {
  const { values } = parseArgs({ options: { destination: { type: 'string', default: ROOT } } });
  const destination = path.resolve(values.destination);
  await ensureInstalled();
  const folder = await stage();
  try {
    const args = ['pack', '--json', '--pack-destination', destination];
    const { stdout } = await must('npm', args, { cwd: folder, stdout: 'hidden' });
    console.log(path.join(destination, JSON.parse(stdout)[0].filename));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main(pack());
