/** What a person reads when a yard is up. */
import { attachLines, type QemuVersion } from './qemu-arguments.ts';

export interface BannerFacts {
  /** How this program is called: from a clone it is not on PATH. */
  readonly program: 'netyard' | 'npx netyard';
  readonly version: string;
  readonly name: string | undefined;
  readonly pid: number;
  /** The netdevs as they run; `about` is one line for a person. */
  readonly netdevs: readonly { id: string; type: string; about: string }[];
  readonly monitors: readonly string[];
  readonly guestSocket: string | undefined;
  readonly commandLine: string;
}

export function banner(facts: BannerFacts, qemu: QemuVersion | undefined): string {
  const { program } = facts;
  const target = facts.name === undefined || facts.name === 'default' ? '' : ` ${facts.name}`;
  const lines = [
    `netyard ${facts.version}: yard ${facts.name ?? '(unnamed)'} is up, pid ${facts.pid}`,
    '',
    ...facts.netdevs.map(({ id, type, about }) => `  ${id.padEnd(10)} ${type.padEnd(10)} ${about}`),
    ...facts.monitors.map((monitor) => `  ${'QMP'.padEnd(10)} ${'monitor'.padEnd(10)} ${monitor}`),
    '',
  ];
  if (facts.guestSocket !== undefined) {
    const found = qemu === undefined ? '' : ` (for the QEMU ${qemu.text} on PATH)`;
    lines.push(`attach a guest${found}:`, ...attachLines(facts.guestSocket, qemu).map((line) => `  ${line}`), '');
  }
  lines.push('the same yard, spelled out:', `  ${program.replace(/netyard$/, '')}${facts.commandLine}`, '');
  if (facts.monitors.length > 0) {
    lines.push(`look:   ${program} status${target}`, `steer:  ${program} qmp${target} query-net-clients`);
  }
  lines.push(facts.name === undefined ? 'stop:   Ctrl-C' : `stop:   Ctrl-C, or ${program} stop${target}`, '');
  return lines.join('\n');
}
