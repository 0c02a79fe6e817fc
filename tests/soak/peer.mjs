// A machine behind the listener: peer.mjs SOCKET. QEMU's stream framing; frames to everybody, to somebody, and nonsense.
import * as net from 'node:net';

const BATCH = 64;
const PERIOD_MS = 5;
const mac = [0x52, 0x54, 0, ...Array.from({ length: 3 }, () => Math.floor(Math.random() * 256))];
const socket = net.connect(process.argv[2]);
socket.on('error', () => process.exit(0));
socket.on('close', () => process.exit(0));
if (Math.random() < 0.7) socket.resume();

function frame() {
  const kind = Math.random();
  const length = kind < 0.05 ? 15 + Math.floor(Math.random() * 40) : 60 + Math.floor(Math.random() * 1455);
  const bytes = Buffer.alloc(4 + length, Math.floor(Math.random() * 256));
  bytes.writeUInt32BE(length, 0);
  const to = kind < 0.1 ? [255, 255, 255, 255, 255, 255] : [0x52, 0x55, 10, 0, 2, 2];
  bytes.set([...to, ...mac], 4);
  bytes.writeUInt16BE([0x0800, 0x0806, 0x86dd, 0x8100][Math.floor(Math.random() * 4)], 16);
  return bytes;
}

setInterval(() => {
  if (socket.writableLength > 1 << 20) return;
  socket.write(Buffer.concat(Array.from({ length: BATCH }, frame)));
}, PERIOD_MS);
// Now and then a header whose frame never comes: the connection dies in the middle of it.
setTimeout(() => socket.write(Buffer.from([0, 0, 5, 220, 1, 2, 3])), 2500);
