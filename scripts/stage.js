'use strict';

// The package for this platform, in a folder of its own. In place of lib/ it holds all its CommonJS modules in one file, which loads in
// about half the time, and V8's code of it for the pinned Nodes. Each file of lib/ is still there by its name, as a line that asks for its module
// in that one.

const fs = require('node:fs');
const path = require('node:path');
const { ensureBuilt } = require('./prepare');
const { ROOT, must } = require('./process');
const { MAJORS, nodeBinary } = require('../test/node-binary');

/** What npm takes along by itself. */
const ALWAYS = ['README.md', 'LICENSE'];

/** Where the one file lies: beside native.js, which looks for the addon from its own folder. */
const MODULES = 'lib/internal/modules.js';

/** Registering loads its files under their own names, as Node's loader needs paths and URLs of them. */
const APART = 'lib/register';

/** @param {string} folder relative to the root @returns {string[]} the modules to be bundled, relative to the root */
function modulesIn(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return file === APART ? [] : modulesIn(file);
    return file.endsWith('.js') ? [file] : [];
  });
}

/** Modules that most programs never ask for. */
const SELDOM = ['lib/http_common.js', 'lib/parser.js', 'lib/parser_pool.js', 'lib/internal/parsing.js'];

/**
 * Puts the functions that stand for modules in parentheses: V8 takes that for a function which is called at once, and does not read it
 * twice, first to find its end and then to compile it. Saves a seventh of the time to load.
 * @param {string} text esbuild's
 */
function calledAtOnce(text) {
  return text.replace(
    /^ {2}"(.+?)"\((.*)\) \{$([\s\S]+?)^ {2}\}\n\}\);$/gm,
    (found, /** @type {string} */ file, /** @type {string} */ parameters, /** @type {string} */ body) =>
      SELDOM.includes(file) ? found : `  "${file}": (function(${parameters}) {${body}  })\n});`,
  );
}

/**
 * Gives methods their names back. esbuild numbers whatever is named as a global; in a function expression, of which nobody but the
 * function itself could see it, the name is what users see as `name`.
 * @param {string} text esbuild's
 */
function namedAsWritten(text) {
  return text.replace(/= function ((?:set|clear)(?:Timeout|Immediate|Interval))\d+\(/g, '= function $1(');
}

/**
 * Takes comments and indentation away, a quarter of what is to be read when it is loaded. Other lines stay as they are: places in stack traces are to be found.
 * @param {string} text
 * @throws when that changes more than the looks, as in a string of several lines
 */
function withoutMargin(text) {
  const { transformSync } = require('esbuild');
  const bare = text.replace(/^ *\/\*\*[\s\S]*?\*\/\n|^ *\/\/.*\n|^ +/gm, '');
  const [before, after] = [text, bare].map((code) => transformSync(code, { minifyWhitespace: true }).code);
  if (before !== after) throw new Error('the bundle does not mean the same without its indentation');
  // It is read so.
  if (!Buffer.from(bare, 'latin1').equals(Buffer.from(bare))) throw new Error('the bundle is not all ASCII');
  return bare;
}

/**
 * Asks for each of the host's modules once. Node takes 10 to 20 µs for each further time, and a package's modules ask for one four times on average.
 * @param {string} text esbuild's
 */
function askingOnce(text) {
  const builtin = `const builtins = {};\nconst builtin = (id) => builtins[id] ??= require(id);\n`;
  return builtin + text.replace(/\brequire\(("node:[^"]+")\)/g, 'builtin($1)');
}

/**
 * Makes the file a function where it is run as a script, as the package's index.js does: the text as a whole is what V8 has code of, and none that was
 * put together first, which V8 would copy. Where it is loaded as any file is, the function is called: there `this` is not the global object, or what
 * a function is called with is at hand. What is named as a module's own tells nothing, as `node -e` and its like have globals of those names.
 * @param {string} text
 */
function alsoAScript(text) {
  const parameters = 'exports, require, module, __filename, __dirname';
  const isScript = "this === globalThis && typeof arguments === 'undefined'";
  const called = `(body) => ${isScript} ? body : body(${parameters})`;
  return `(${called})((function(${parameters}) {\n${text}}));\n`;
}

/**
 * What stands in place of the module that the names of http are known by: those of the pinned Nodes.
 * @returns {Promise<import('esbuild').Plugin>}
 */
async function hostNames() {
  /** @type {Record<string, string[]>} */
  const names = {};
  for (const command of pinnedNodes()) {
    const ask = "JSON.stringify([process.version, Object.keys(require('node:http'))])";
    const { stdout } = await must(command, ['--print', ask], { stdout: 'hidden' });
    const [version, those] = JSON.parse(stdout);
    names[version] = those;
  }
  const contents = `module.exports = ${JSON.stringify(names)};`;
  return { name: 'names', setup: (build) => build.onLoad({ filter: /host_names\.js$/ }, () => ({ contents })) };
}

/**
 * Writes the bundle, and the files that refer to it.
 * @param {string} target the package's folder, in which lib/ and index.js stand already
 */
async function bundle(target) {
  // Only here: the rest of the scripts runs before anything is installed.
  const esbuild = require('esbuild');
  const modules = ['index.js', ...modulesIn('lib')];
  const entry = modules.map((file) => `${JSON.stringify(file)}: () => require(${JSON.stringify(`./${file}`)}),`);
  const { outputFiles } = await esbuild.build({
    stdin: { contents: `module.exports = {\n${entry.join('\n')}\n};`, resolveDir: ROOT, sourcefile: 'modules.js' },
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node20',
    plugins: [await hostNames()],
    logLevel: 'warning',
  });
  fs.writeFileSync(
    path.join(target, MODULES),
    withoutMargin(alsoAScript(askingOnce(calledAtOnce(namedAsWritten(outputFiles[0].text))))),
  );
  fs.cpSync(path.join(__dirname, 'package/index.js'), path.join(target, 'index.js'));
  for (const file of modules) {
    if (file === 'index.js') continue;
    const [index, from] = ['index.js', MODULES].map((to) => {
      const specifier = path.posix.relative(path.posix.dirname(file), to);
      return specifier.startsWith('.') ? specifier : `./${specifier}`;
    });
    const text = `'use strict';\n\nrequire('${index}');\nmodule.exports = require('${from}')['${file}']();\n`;
    fs.writeFileSync(path.join(target, file), text);
  }
}

/**
 * Writes the code that each pinned Node's V8 makes of the modules. Without, the package loads as well, only slower.
 * @param {string} target the package's folder, complete
 */
async function addCode(target) {
  for (const command of pinnedNodes()) {
    await must(command, [path.join(__dirname, 'code_cache.js'), target], { stdout: 'hidden' });
  }
}

/** @returns {string[]} paths of those that there are */
function pinnedNodes() {
  return MAJORS.flatMap((major) => {
    try {
      return [nodeBinary(major)];
    } catch (error) {
      if (process.env.CI) throw error;
      console.error(`── no code for Node ${major}. ${/** @type {Error} */ (error).message}`);
      return [];
    }
  });
}

/**
 * Makes the package's folder, out of what package.json lists under "files".
 * @returns {Promise<string>} its path; whoever asked for it removes it
 */
async function stage() {
  const addon = await ensureBuilt();
  const target = fs.mkdtempSync(path.join(ROOT, 'target', 'package-'));
  const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const listed = manifest.files.map((/** @type {string} */ name) => (name === '*.node' ? path.basename(addon) : name));
  for (const name of [...listed, ...ALWAYS]) {
    fs.cpSync(path.join(ROOT, name), path.join(target, name), { recursive: true });
  }
  await bundle(target);
  await addCode(target);
  // These are the workshop's.
  delete manifest.scripts;
  delete manifest.devDependencies;
  fs.writeFileSync(path.join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return target;
}

module.exports = { stage };
