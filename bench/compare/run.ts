/**
 * netyard beside the programs people use instead, in one run, interleaved. Needs root, the build and the peers.
 *
 *   npm run bench:compare -- --help
 *
 * Tables go to stdout, progress to stderr, everything measured to bench/compare/results/DATE.json. --strict: status 1
 * unless every demand holds.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findProgram } from '../../tests/kit/peers.ts';
import { CASES } from './cases/index.ts';
import { whyNoNetyard } from './kit/links.ts';
import { describeMachine, packageOf } from './kit/machine.ts';
import { printReport, type Report } from './kit/report.ts';
import { World } from './kit/world.ts';

const HELP = `npm run bench:compare -- [options]

  --only NAME[,NAME]  these benchmarks; --list names them
  --rounds N          measurements of each program, in turn (5)
  --seconds N         length of one measurement (3)
  --quick             one round of one second: shows that it works, not how fast
  --attacks NAME,...  of the benchmark 'hostile': only these
  --strict            status 1 unless every demand holds
  --list, --help
`;

const OPTIONS = {
  help: { type: 'boolean', default: false },
  only: { type: 'string' },
  attacks: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
} as const;

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(reason: string): never {
  process.stderr.write(`${reason}\n\n${HELP}`);
  process.exit(2);
}

function positive(name: 'rounds' | 'seconds', fallback: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : refuse(`--${name} takes a whole number from 1, not '${text}'`);
}

const values = readOptions();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

/** The message, or undefined when all is there. */
function whyNot(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces and taps';
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return whyNoNetyard();
  return `not installed: ${missing.join(', ')} (apt install ${missing.map(packageOf).join(' ')})`;
}

function keep(machine: object, options: object, reports: readonly Report[]): string {
  const directory = join(import.meta.dirname, 'results');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${new Date().toISOString().replaceAll(':', '').slice(0, 17)}.json`);
  writeFileSync(path, `${JSON.stringify({ ...machine, options, reports }, undefined, 1)}\n`);
  return path;
}

const names = values.only?.split(',');
const chosen = CASES.filter(({ name }) => names === undefined || names.includes(name));
if (values.list) {
  for (const { name, title } of CASES) process.stdout.write(`${name.padEnd(12)} ${title}\n`);
  process.exit(0);
}
const unknown = names?.find((name) => CASES.every((one) => one.name !== name));
if (unknown !== undefined) refuse(`no benchmark '${unknown}': --list names them`);
const rounds = positive('rounds', values.quick ? 1 : 5);
const seconds = positive('seconds', values.quick ? 1 : 3);

let world: World | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.stderr.write(`${signal}: cleaning up\n`);
    void (world?.close() ?? Promise.resolve()).then(() => process.exit(130));
  });
}

const machine = describeMachine();
const { versions, ...where } = machine;
process.stdout.write(`${JSON.stringify(where)}\n${JSON.stringify(versions)}\n`);
const reports: Report[] = [];
let ran = 0;
for (const one of chosen) {
  const reason = whyNot(['ip', ...one.programs]);
  if (reason !== undefined) {
    process.stderr.write(`${one.name}: skipped, ${reason}\n`);
    continue;
  }
  ran++;
  world = new World();
  const progress = (line: string): void => void process.stderr.write(`  ${one.name} ${line}\n`);
  try {
    const report = await one.run({
      world,
      rounds,
      seconds,
      quick: values.quick,
      attacks: values.attacks?.split(','),
      progress,
    });
    reports.push(report);
    process.stdout.write(printReport(report));
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${one.name}: ${(error as Error).stack}\n`);
  } finally {
    await world.close();
  }
}
if (reports.length > 0) {
  const path = keep(machine, { rounds, seconds, quick: values.quick }, reports);
  process.stdout.write(`\nkept in ${path}\n`);
}
const holds = reports.every(
  ({ demands, failures }) => failures.length === 0 && demands.every((demand) => demand.holds),
);
if (ran === 0 || (values.strict && !holds)) process.exitCode = 1;
