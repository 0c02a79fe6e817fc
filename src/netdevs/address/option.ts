/** SocketAddress as the schema has it (schema/sockets.json), wire names kept. */
export interface InetOption {
  readonly type: 'inet';
  readonly host: string;
  readonly port: string;
  readonly numeric?: boolean | undefined;
  readonly to?: number | bigint | undefined;
  readonly ipv4?: boolean | undefined;
  readonly ipv6?: boolean | undefined;
  readonly 'keep-alive'?: boolean | undefined;
  readonly mptcp?: boolean | undefined;
}

export interface UnixOption {
  readonly type: 'unix';
  readonly path: string;
  readonly abstract?: boolean | undefined;
  readonly tight?: boolean | undefined;
}

export interface VsockOption {
  readonly type: 'vsock';
  readonly cid: string;
  readonly port: string;
}

export interface FdOption {
  readonly type: 'fd';
  readonly str: string;
}

export type SocketAddressOption = InetOption | UnixOption | VsockOption | FdOption;
