// Runs inside the guest's namespace: guest.mjs HOST PORT [once]. Reports `name=count` lines; ends when stdin does.
import * as dgram from 'node:dgram';
import * as net from 'node:net';

const [host, port, mode] = process.argv.slice(2);
const BLOCK = Buffer.alloc(65536, 'guest ');
const UPLOAD_BYTES = 32 * 1024 * 1024;
let running = true;
process.stdin.on('close', () => {
  running = false;
  // Whoever waits for an answer that no longer matters.
  setTimeout(() => process.exit(0), 3000).unref();
});
process.stdin.resume();

const report = (name, count = 1) => process.stdout.write(`${name}=${count}\n`);
const fail = (text) => {
  report('error', text);
  process.exit(1);
};
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function connect(kind) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port), noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(kind);
      resolve(socket);
    });
  });
}

const closed = (socket) => new Promise((resolve) => socket.once('close', resolve));

async function download() {
  const socket = await connect('s');
  let count = 0;
  socket.on('data', (bytes) => {
    count += bytes.length;
  });
  await closed(socket);
  if (count !== UPLOAD_BYTES) fail(`a download of ${UPLOAD_BYTES} bytes brought ${count}`);
  report('bulk MiB', count >> 20);
}

async function upload() {
  const socket = await connect('d');
  socket.resume();
  for (let sent = 0; sent < UPLOAD_BYTES; sent += BLOCK.length) {
    if (!socket.write(BLOCK)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
  await closed(socket);
  report('bulk MiB', UPLOAD_BYTES >> 20);
}

/** Random bytes there and back, then half-closed. */
async function echo() {
  const bytes = Buffer.alloc(1 + Math.floor(Math.random() * 20000), Math.floor(Math.random() * 256));
  const socket = await connect('e');
  const parts = [];
  socket.on('data', (part) => parts.push(part));
  socket.end(bytes);
  await closed(socket);
  if (!Buffer.concat(parts).equals(bytes)) fail(`an echo of ${bytes.length} bytes came back changed`);
  report('echoes');
}

async function reset() {
  const socket = await connect(Math.random() < 0.5 ? 's' : 'e');
  await wait(Math.random() * 20);
  const gone = closed(socket);
  socket.resetAndDestroy();
  await gone;
  report('resets');
}

function datagrams() {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    let answers = 0;
    socket.on('error', () => undefined);
    socket.on('message', () => {
      answers++;
    });
    for (let i = 0; i < 20; i++) socket.send(Buffer.alloc(1 + Math.floor(Math.random() * 1400)), Number(port), host);
    setTimeout(() => {
      socket.close();
      report('datagrams', answers);
      resolve();
    }, 200);
  });
}

async function repeat(work, gapMs) {
  while (running) {
    try {
      await work();
    } catch (error) {
      if (running) fail(`${work.name}: ${error.message}`);
    }
    await wait(gapMs);
  }
}

if (mode === 'once') {
  await echo();
} else {
  await Promise.all([
    repeat(download, 100),
    repeat(upload, 100),
    repeat(echo, 5),
    repeat(echo, 20),
    repeat(reset, 20),
    repeat(datagrams, 50),
  ]);
}
process.exit(0);
