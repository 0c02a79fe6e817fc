/**
 * `npm run build:prebuilt`: the binaries that ride in the tarball, prebuilds/PLATFORM/LIBC.node. All of them or a failure:
 * a package that lacks one is not to be published. Checks what each asks of the machine it will run on.
 *
 * Debian: gcc musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross binutils
 */
import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { compile, findHeaders } from '../native/compile.mjs';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'prebuilds');
/** Debian 10, Ubuntu 20.04 and RHEL 8 have it, as Node's own builds ask for. */
const NEWEST_GLIBC = [2, 28];

const MUSL_HEADERS = ['-idirafter', '/usr/include', '-idirafter', '/usr/include/x86_64-linux-gnu'];
const TARGETS = [
  { name: 'linux-x64/glibc', compiler: 'gcc', machine: 'X86-64' },
  // The kernel's headers are Debian's; those of musl come first.
  { name: 'linux-x64/musl', compiler: 'musl-gcc', machine: 'X86-64', flags: MUSL_HEADERS },
  { name: 'linux-arm64/glibc', compiler: 'aarch64-linux-gnu-gcc', machine: 'AArch64' },
];

const headers = findHeaders();
if (headers === undefined) throw new Error("Node's headers are not installed: npx node-gyp install");
rmSync(folder, { recursive: true, force: true });
for (const { name, compiler, machine, flags = [] } of TARGETS) {
  const target = join(folder, `${name}.node`);
  compile({ compiler, headers, target, flags: [...flags, '-s'] });
  check(target, machine, name.endsWith('/musl'));
  console.log(`${relative(root, target)}  ${statSync(target).size} bytes`);
}

function check(path, machine, isMusl) {
  const facts = execFileSync('readelf', ['--wide', '-h', '-d', '-V', '--dyn-syms', path], { encoding: 'utf8' });
  const fail = (text) => {
    throw new Error(`${relative(root, path)}: ${text}`);
  };
  if (!new RegExp(`Machine:.*${machine}`, 'i').test(facts)) fail(`not for ${machine}`);
  if (!/napi_register_module_v1/.test(facts)) fail('not an addon');
  const wanted = [...facts.matchAll(/\bGLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]);
  if (isMusl ? wanted.length > 0 : wanted.length === 0) fail('linked with another C library than it is named for');
  const [major, minor] = NEWEST_GLIBC;
  const newer = wanted.filter(([a, b]) => a > major || (a === major && b > minor));
  if (newer.length > 0) fail(`needs a glibc newer than ${NEWEST_GLIBC.join('.')}: ${newer.map((v) => v.join('.'))}`);
  const libraries = [...facts.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library]) => library);
  const strange = libraries.filter(
    (library) => !/^(libc\.so(\.6)?|libpthread\.so\.0|ld-linux-aarch64\.so\.1)$/.test(library),
  );
  if (strange.length > 0) fail(`needs ${strange}`);
}
