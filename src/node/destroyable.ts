/** What a host closes when it ends. */
export interface Destroyable {
  /** Its number, where that is known here. */
  readonly descriptor?: number;
  /** Whose share of the descriptors it takes: the port for whose guest it is open. */
  readonly share?: number | undefined;
  destroy(): void;
}
