/**
 * TCP between a Linux guest under TCG and the host's loopback: through netyard, and through QEMU's own user network.
 * Both guests run at once and take turns, so both see the same machine. Needs root, the build and the packages of
 * tests/kit/guest. Prints Gbit/s, medians of ROUNDS rounds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '../../tests/kit/guest/daemon.ts';
import { bootGuest, type Guest } from '../../tests/kit/guest/guest.ts';
import { serveFile, serveUploads } from '../../tests/kit/guest/services.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const BYTES = 200_000_000;
const LONG = { timeoutMs: 120_000 };

const folder = mkdtempSync(join(tmpdir(), 'netyard-bench-'));
const file = await serveFile(BYTES);
const uploads = await serveUploads();
const yard = await startDaemon({ name: 'bench', runtime: folder });
const attached = `stream,id=n0,server=off,addr.type=unix,addr.path=${yard.guestSocket}`;
const guests: Record<string, Guest> = {
  netyard: await bootGuest({ netdev: attached, memoryMb: 512 }),
  'QEMU user': await bootGuest({ netdev: 'user,id=n0', memoryMb: 512 }),
};
const results: Record<string, { down: number[]; up: number[] }> = {};

try {
  for (const guest of Object.values(guests)) {
    await guest.check('udhcpc -i eth0 -n -q -f');
    await guest.check(`wget -q -O /tmp/file http://10.0.2.2:${file.port}/`, { timeoutMs: 120_000 });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, guest] of Object.entries(guests)) {
      results[name] ??= { down: [], up: [] };
      const row = results[name];
      row.down.push(await gigabits(() => guest.check(`wget -q -O /dev/null http://10.0.2.2:${file.port}/`, LONG)));
      row.up.push(
        await gigabits(async () => {
          const received = uploads.next();
          await guest.check(`nc 10.0.2.2 ${uploads.port} -e cat /tmp/file`, LONG);
          if ((await received).bytes !== BYTES) throw new Error('upload was cut short');
        }),
      );
    }
  }
  process.stdout.write(`| ${BYTES / 1e6} MB, median of ${ROUNDS} | host to guest | guest to host |\n|---|---|---|\n`);
  for (const [name, { down, up }] of Object.entries(results)) {
    process.stdout.write(`| ${name} | ${summary(down)} | ${summary(up)} |\n`);
  }
} finally {
  await Promise.all(Object.values(guests).map((guest) => guest.kill()));
  await yard.end();
  await Promise.all([file.close(), uploads.close()]);
  rmSync(folder, { recursive: true, force: true });
}

async function gigabits(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (BYTES * 8) / (performance.now() - started) / 1e6;
}

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return `${median.toFixed(2)} (${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)})`;
}
