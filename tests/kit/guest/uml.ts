/**
 * User-mode Linux as a guest: a process of ours whose vector network interface `vec0` is one end of a wire. Boots from an
 * archive of a busybox and an init that runs one script.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requirePeer } from '../peers.ts';
import { characterDevice, directory, regularFile, writeCpio } from './cpio.ts';

const BUSYBOX = '/bin/busybox';

export interface UmlRun {
  /** Standard output, kernel messages included. */
  readonly output: string;
}

/**
 * Boots, runs `script` with vec0 as `address` (up), and powers off.
 * @param vector what follows `vec0:` on the kernel's command line.
 * @param timeoutMs the guest is killed then; the output so far is the result.
 */
export async function runUml(vector: string, address: string, script: string, timeoutMs: number): Promise<UmlRun> {
  const folder = mkdtempSync(join(tmpdir(), 'ny-uml-'));
  const initrd = join(folder, 'initrd');
  writeFileSync(initrd, archive(address, script));
  const launcher = join(folder, 'without-xstate');
  execFileSync(requirePeer('cc'), ['-O2', '-o', launcher, join(import.meta.dirname, 'without-xstate.c')]);
  const child = spawn(
    launcher,
    [
      requirePeer('linux.uml'),
      'mem=64M',
      `initrd=${initrd}`,
      `uml_dir=${folder}/`,
      'con=null',
      'con0=null,fd:1',
      'panic=1',
      'quiet',
      // Of the environment of init: registers that are not kept are not used (without-xstate.c).
      'GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW',
      `vec0:${vector}`,
    ],
    // A group of its own: it has several processes.
    { stdio: ['ignore', 'pipe', 'ignore'], detached: true, env: { ...process.env, TMPDIR: folder } },
  );
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const timer = setTimeout(() => killGroup(child), timeoutMs);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  clearTimeout(timer);
  killGroup(child);
  rmSync(folder, { recursive: true, force: true });
  return { output };
}

function archive(address: string, script: string): Uint8Array {
  const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
ip link set lo up
ip addr add ${address} dev vec0
ip link set vec0 up
${script}
poweroff -f
`;
  return writeCpio([
    ...['bin', 'dev', 'proc', 'tmp'].map(directory),
    // The kernel opens /dev/console for init.
    characterDevice('dev/console', 5, 1),
    characterDevice('dev/null', 1, 3),
    regularFile('bin/busybox', readFileSync(BUSYBOX), 0o755),
    regularFile('init', Buffer.from(init), 0o755),
  ]);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}
