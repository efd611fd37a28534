'use strict';

// Node's source from Debian's `nodejs` source package, through the machine's own apt: its mirrors, keys and proxies are
// taken over, its lists and caches are not touched, and nothing is installed.

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('../scripts/process');

/** The suites that carry a major version, the likeliest first. @type {Record<string, string[]>} */
const SUITES = { 20: ['trixie'], 24: ['forky', 'sid'] };

/** @typedef {{ uri: string, options: string }} Mirror `options`: what apt has in brackets in a one-line entry */

/** @param {string} text a deb822 .sources file @returns {Mirror[]} */
function mirrorsOfStanzas(text) {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    /** @type {Record<string, string>} */
    const fields = {};
    for (const [, name, value] of stanza.matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
      fields[name.toLowerCase()] = value.trim();
    }
    const usable =
      /\bdeb\b/.test(fields.types ?? '') && /\bmain\b/.test(fields.components ?? '') && fields.enabled !== 'no';
    if (!usable) return [];
    // A key given in full, not as a file, cannot stand in a one-line entry.
    const key = fields['signed-by'];
    const options = key?.startsWith('/') ? `[signed-by=${key}] ` : '';
    return fields.uris.split(/\s+/).map((uri) => ({ uri, options }));
  });
}

/** @param {string} text a one-line .list file @returns {Mirror[]} */
function mirrorsOfLines(text) {
  return [...text.matchAll(/^\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+\S+\s+.*\bmain\b/gm)].map(([, options, uri]) => {
    const key = options?.match(/\bsigned-by=\S+/)?.[0];
    return { uri, options: key ? `[${key}] ` : '' };
  });
}

/** @returns {Mirror[]} the machine's own Debian mirrors (security and third-party archives don't carry our suites) */
function mirrors() {
  const folder = '/etc/apt/sources.list.d';
  const files = fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => path.join(folder, name)) : [];
  const found = ['/etc/apt/sources.list', ...files].flatMap((file) => {
    if (!/\.(list|sources)$/.test(file) || !fs.existsSync(file)) return [];
    const text = fs.readFileSync(file, 'utf8').replace(/^\s*#.*\n?/gm, '');
    return file.endsWith('.sources') ? mirrorsOfStanzas(text) : mirrorsOfLines(text);
  });
  const debian = found.filter(({ uri }) => /\/debian\/?$/.test(uri));
  return debian.filter(({ uri }, index) => debian.findIndex((other) => other.uri === uri) === index);
}

/**
 * Downloads the `.orig.tar.xz` of Debian's nodejs source package (24 MB).
 * @param {number} major
 * @param {string | undefined} exact only this version ('24.21.0'); undefined: the newest of the major version
 * @param {string} folder for apt's own files and for the download; made when missing
 * @returns {Promise<{ version: string, archive: string }>}
 * @throws when no suite has it, or it cannot be downloaded
 */
async function download(major, exact, folder) {
  const sources = mirrors();
  if (sources.length === 0) throw new Error('this machine has no Debian package sources');
  const config = path.join(folder, 'apt.conf');
  fs.mkdirSync(path.join(folder, 'etc/preferences.d'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'lists/partial'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'archives/partial'), { recursive: true });
  fs.writeFileSync(
    config,
    [
      `Dir::Etc::SourceList "${folder}/etc/sources.list";`,
      `Dir::Etc::SourceParts "/dev/null";`,
      `Dir::Etc::PreferencesParts "${folder}/etc/preferences.d";`,
      `Dir::State::Lists "${folder}/lists";`,
      `Dir::Cache "${folder}";`,
      // A mirror may be a snapshot; its signature is checked all the same.
      'Acquire::Check-Valid-Until "false";',
      'Acquire::Retries "3";',
      // Otherwise root downloads as a user who may not write here.
      ...(process.getuid?.() === 0 ? ['APT::Sandbox::User "root";'] : []),
      '',
    ].join('\n'),
  );
  const env = { APT_CONFIG: config, LC_ALL: 'C' };

  for (const suite of SUITES[major] ?? []) {
    const lines = sources.map(({ uri, options }) => `deb-src ${options}${uri} ${suite} main\n`);
    fs.writeFileSync(path.join(folder, 'etc/sources.list'), lines.join(''));
    if (!(await run('apt-get', ['update', '-q', '--error-on=any'], { cwd: folder, env, stdout: 2 })).ok) continue;
    const { stdout } = await run('apt-cache', ['showsrc', '--only-source', 'nodejs'], {
      cwd: folder,
      env,
      stdout: 'hidden',
    });
    const version = [...stdout.matchAll(/^Version: (\S+)$/gm)]
      .map(([, text]) => text)
      .filter((text) => text.startsWith(exact ? `${exact}+` : `${major}.`) || text.startsWith(`${exact}-`))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1);
    if (!version) continue;
    const args = ['source', '-q', '--download-only', '--tar-only', '--only-source', `nodejs=${version}`];
    const { ok } = await run('apt-get', args, { cwd: folder, env, stdout: 2 });
    const archive = fs.readdirSync(folder).find((name) => /^nodejs_.*\.orig\.tar\.xz$/.test(name));
    if (ok && archive) return { version: version.replace(/[+-].*/, ''), archive: path.join(folder, archive) };
  }
  throw new Error(`Debian's sources have no nodejs ${exact ?? major}`);
}

module.exports = { download };
