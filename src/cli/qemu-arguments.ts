/** The arguments that attach a guest, fitted to the QEMU on PATH. */
import { execFile } from 'node:child_process';

export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  readonly text: string;
}

const PROGRAM = 'qemu-system-x86_64';
/** A QEMU that does not answer `--version` in this time is treated as absent. */
const VERSION_LIMIT_MS = 2000;

/** The QEMU on PATH, undefined if there is none or it does not say its version. */
export function findQemu(): Promise<QemuVersion | undefined> {
  return new Promise((resolve) => {
    execFile(PROGRAM, ['--version'], { timeout: VERSION_LIMIT_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      const match = /version (\d+)\.(\d+)\.\d+/.exec(stdout);
      if (error !== null || match === null) resolve(undefined);
      else resolve({ major: Number(match[1]), minor: Number(match[2]), text: match[0].replace('version ', '') });
    });
  });
}

/** Lines for a person: the command to attach one guest, and a note on what this QEMU can do. */
export function attachLines(socketPath: string, qemu: QemuVersion | undefined): string[] {
  const { option, note } = reconnect(qemu);
  const path = socketPath.replaceAll(',', ',,');
  return [
    `${PROGRAM} ... \\`,
    `  -netdev stream,id=net0,server=off,addr.type=unix,addr.path=${path}${option} \\`,
    '  -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:01',
    ...(note === '' ? [] : [`note: ${note}`]),
    'note: give every further guest a mac= of its own',
  ];
}

/** `reconnect-ms` came with 9.2, `reconnect` (seconds) with 8.0, `stream` itself with 7.2. */
function reconnect(qemu: QemuVersion | undefined): { option: string; note: string } {
  if (qemu === undefined)
    return { option: '', note: `no ${PROGRAM} on PATH; with QEMU 9.2 or later add ,reconnect-ms=1000` };
  const { major, minor, text } = qemu;
  if (major > 9 || (major === 9 && minor >= 2)) return { option: ',reconnect-ms=1000', note: '' };
  if (major >= 8) return { option: ',reconnect=1', note: '' };
  if (major === 7 && minor >= 2) {
    return {
      option: '',
      note:
        `QEMU ${text} cannot reconnect: start it after netyard, and again when netyard restarts; or let QEMU listen ` +
        `(server=on, a path of its own) and netyard connect: -netdev stream,id=vm0,addr.type=unix,addr.path=PATH,reconnect-ms=1000`,
    };
  }
  return { option: '', note: `QEMU ${text} has no stream netdev: 7.2 or later is needed` };
}
