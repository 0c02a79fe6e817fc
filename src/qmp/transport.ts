/** The wire under a QMP client. */
export interface QmpTransport {
  /** ASCII text. Never throws; a failure is reported by onClosed. */
  send(text: string): void;
  /** Sends what is queued and closes, within bounded time; onClosed follows. */
  close(): void;
  /** Set by the session before it returns from taking the transport; bytes are borrowed. */
  onData: (bytes: Uint8Array) => void;
  /** Called once: the wire is gone. */
  onClosed: (error?: Error) => void;
}

/** As much of a WebSocket as is needed; one that is connecting is waited for. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  send(data: string): void;
  close(): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
}

const CONNECTING = 0;
const OPEN = 1;
const encoder = new TextEncoder();

/** QMP over a WebSocket: each message is a piece of the byte stream, text or binary. */
export function webSocketTransport(socket: WebSocketLike): QmpTransport {
  let waiting: string[] = [];
  let isClosed = false;
  const transport: QmpTransport = {
    send(text) {
      if (socket.readyState === CONNECTING) waiting.push(text);
      else if (socket.readyState === OPEN) socket.send(text);
    },
    close() {
      socket.close();
    },
    onData: () => {},
    onClosed: () => {},
  };
  const closed = (error?: Error): void => {
    if (isClosed) return;
    isClosed = true;
    transport.onClosed(error);
  };
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => {
    for (const text of waiting) socket.send(text);
    waiting = [];
  });
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') transport.onData(encoder.encode(data));
    else if (data instanceof ArrayBuffer) transport.onData(new Uint8Array(data));
  });
  socket.addEventListener('error', () => closed(new TypeError('the WebSocket failed')));
  socket.addEventListener('close', () => closed());
  return transport;
}
