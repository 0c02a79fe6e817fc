/** `netyard doctor`: which netdevs this host can run, and what is missing for the others. */
import { VERSION } from '../version.ts';
import { buildAddon } from './doctor-build.ts';
import { probeHost } from './doctor-probes.ts';
import { examine, type Finding, TYPES } from './doctor-types.ts';
import { CommandLineError } from './scan-options.ts';
import { table } from './table.ts';

export interface DoctorOptions {
  readonly json?: boolean;
  readonly build?: boolean;
}

/**
 * @param types those asked about; none = all
 * @returns the exit status: 0; 1 when one that was asked about by name cannot run here, or --build failed
 * @throws CommandLineError for an unknown type
 */
export async function doctor(types: readonly string[], options: DoctorOptions): Promise<number> {
  const unknown = types.find((type) => !TYPES.includes(type));
  if (unknown !== undefined)
    throw new CommandLineError(`doctor: no netdev is called '${unknown}': there are ${TYPES.join(', ')}`);
  if (options.build === true) {
    const path = await buildAddon();
    process.stderr.write(`netyard: built ${path}\n`);
  }
  const facts = await probeHost();
  const findings = (types.length === 0 ? TYPES : types).map((type) => examine(type, facts));
  const report = { version: VERSION, node: process.version, platform: `${process.platform}-${process.arch}` };
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ ...report, native: facts.native, netdevs: findings }, null, 2)}\n`
      : text(report, facts.native, findings),
  );
  const isMissing = ({ verdict }: Finding): boolean => verdict === 'no' || verdict === 'unavailable';
  return types.length > 0 && findings.some(isMissing) ? 1 : 0;
}

function text(
  report: { version: string; node: string; platform: string },
  native: { path: string } | { reason: string },
  findings: readonly Finding[],
): string {
  const rows = findings.flatMap(({ type, verdict, notes }) =>
    notes.length === 0
      ? [[type, verdict, '']]
      : notes.map((note, i) => (i === 0 ? [type, verdict, note] : ['', '', note])),
  );
  return [
    `netyard ${report.version}, Node ${report.node}, ${report.platform}`,
    `native layer: ${'path' in native ? native.path : native.reason}`,
    '',
    ...table(['NETDEV', 'RUNS HERE', 'WHAT IS MISSING, WHAT TO DO'], rows),
    '',
  ].join('\n');
}
