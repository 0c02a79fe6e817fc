/** Runs the benchmarks whose path contains the argument, one after the other, each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const wanted = process.argv[2] ?? '';
const found = ['micro', 'process', 'throughput']
  .filter((folder) => existsSync(join(here, folder)))
  .flatMap((folder) => readdirSync(join(here, folder), { recursive: true }).map((name) => join(folder, String(name))))
  .filter((path) => /\.(ts|mjs)$/.test(path) && path.includes(wanted))
  .sort();

const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim();
process.stdout.write(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, commit ${commit}\n`);
let failed = 0;
for (const path of found) {
  process.stdout.write(`\n=== ${path}\n`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', join(here, path)], {
    stdio: 'inherit',
  });
  if (status !== 0) failed++;
}
process.exitCode = found.length === 0 || failed > 0 ? 1 : 0;
